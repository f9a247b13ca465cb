//! A message to a local system over MLLP, plain or TLS 1.3, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::Clock;
use crate::config::ClientTlsConfig;
use crate::exchange::tls::provider;
use crate::intake::mllp::framing::{Frame, FrameReader, Limits, framed};

/// Largest answer read, bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// What the local system said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// AA or CA: it has the message.
    Taken(String),
    /// AE or CE: it could not take it now.
    Later(String),
    /// AR or CR: it will not take it.
    Never(String),
}

/// Sends `message` to `address` and waits for its answer, for as long as `patience`.
pub(super) async fn send(
    address: &str,
    tls: Option<(&ClientTlsConfig, Arc<dyn Clock>)>,
    control_id: &str,
    message: &[u8],
    patience: Duration,
) -> Result<Answer, String> {
    let attempt = async {
        let stream =
            TcpStream::connect(address).await.map_err(|error| format!("{address} does not answer: {error}"))?;
        let _ = stream.set_nodelay(true);
        match tls {
            None => converse(stream, control_id, message, patience).await,
            Some((config, clock)) => {
                let (connector, name) = connector(config, address, clock)?;
                let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
                converse(stream, control_id, message, patience).await
            }
        }
    };
    tokio::time::timeout(patience, attempt)
        .await
        .unwrap_or_else(|_| Err("no acknowledgement in time; the system may have the message already".to_owned()))
}

async fn converse<S>(stream: S, control_id: &str, message: &[u8], patience: Duration) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reading, mut writing) = tokio::io::split(stream);
    let lost = |error: std::io::Error| format!("the connection broke: {error}");
    writing.write_all(&framed(message)).await.map_err(lost)?;
    writing.flush().await.map_err(lost)?;
    let limits = Limits { largest: LARGEST_ANSWER, message: patience, idle: patience };
    match FrameReader::new(reading, limits).next().await {
        Frame::Message(answer) => read(&answer, control_id),
        Frame::End => Err("the connection ended without an acknowledgement".to_owned()),
        Frame::Broken(_, reason) => Err(format!("the acknowledgement cannot be read: {reason}")),
    }
}

/// MSA-1 of the acknowledgement, and ERR-3 where there is one. Its words are not kept: they may name the patient.
fn read(answer: &[u8], control_id: &str) -> Result<Answer, String> {
    let text = String::from_utf8_lossy(answer);
    let separator = text.strip_prefix("MSH").and_then(|rest| rest.chars().next());
    let Some(separator) = separator else { return Err("the acknowledgement is no HL7 v2 message".to_owned()) };
    let segment = |name: &str| text.split(['\r', '\n']).find(|line| line.split(separator).next() == Some(name));
    let Some(msa) = segment("MSA") else { return Err("the acknowledgement has no MSA".to_owned()) };
    let fields: Vec<&str> = msa.split(separator).map(str::trim).collect();
    if fields.get(2).is_some_and(|id| *id != control_id) {
        return Err("the acknowledgement is of another message (MSA-2)".to_owned());
    }
    let code = fields.get(1).copied().unwrap_or("").to_owned();
    let condition = segment("ERR").and_then(|err| err.split(separator).nth(3)).unwrap_or("");
    let number: String = condition.chars().take_while(char::is_ascii_digit).collect();
    let told = if number.is_empty() { code.clone() } else { format!("{code}, error condition {number}") };
    match code.as_str() {
        "AA" | "CA" => Ok(Answer::Taken(code)),
        "AE" | "CE" => Ok(Answer::Later(told)),
        "AR" | "CR" => Ok(Answer::Never(told)),
        _ => Err("the acknowledgement has no code (MSA-1)".to_owned()),
    }
}

fn connector(
    config: &ClientTlsConfig,
    address: &str,
    clock: Arc<dyn Clock>,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let read = |path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>, String> {
        let wrong = |error: rustls_pki_types::pem::Error| format!("{}: {error}", path.display());
        CertificateDer::pem_file_iter(path).map_err(wrong)?.map(|one| one.map_err(wrong)).collect()
    };
    let mut roots = RootCertStore::empty();
    for certificate in read(&config.authority)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let client = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
            builder.with_client_auth_cert(read(certificate)?, key).map_err(|error| error.to_string())?
        }
        _ => builder.with_no_client_auth(),
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = config.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    Ok((TlsConnector::from(Arc::new(client)), name))
}

/// The injected clock, for the validity of certificates.
struct Time(Arc<dyn Clock>);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read_by_its_codes_alone() {
        let ack = |rest: &str| read(format!("MSH|^~\\&|HIS|H|GW|G|2026||ACK|9|P|2.5\r{rest}").as_bytes(), "42");
        assert_eq!(ack("MSA|AA|42"), Ok(Answer::Taken("AA".to_owned())));
        assert_eq!(ack("MSA|CA|42\r"), Ok(Answer::Taken("CA".to_owned())));
        assert_eq!(ack("MSA|AE|42|Tanaka Hanako unknown"), Ok(Answer::Later("AE".to_owned())));
        let refused = ack("MSA|AR|42\rERR||PID^1^3|204^Unknown key identifier^HL70357|E");
        assert_eq!(refused, Ok(Answer::Never("AR, error condition 204".to_owned())));
        for broken in ["MSA|AA|43", "MSA|XX|42", "PID|1", ""] {
            assert!(ack(broken).is_err(), "{broken}");
        }
        assert!(read(b"hello", "42").is_err());
    }
}
