//! Who is not let in: strangers at the outside door, each refused.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::DemoError;
use super::checks::Checks;
use super::site::Site;
use super::tale::Tale;
use crate::exchange::identity::Identity;
use crate::exchange::tls;
use crate::wire::submit_message;

pub(super) async fn play(toronto: &Site, tokyo: &Site, tale: &mut Tale, checks: &mut Checks) -> Result<(), DemoError> {
    tale.act("Who is not let in");
    let here = &tokyo.node.parts.here;
    let pinned = here.identity.certificate_sha256();
    let folder = toronto.config.store.data.join("stranger");
    let stranger = Identity::create(&folder, "stranger", &["localhost".to_owned()], here.clock.now())
        .map_err(|error| DemoError::Story(error.to_string()))?;
    let with = |identity: &Identity| tls::client(identity, here.clock.clone(), pinned);
    let known = with(&toronto.node.parts.here.identity).map_err(|error| DemoError::Story(error.to_string()))?;
    let unknown = with(&stranger).map_err(|error| DemoError::Story(error.to_string()))?;
    let mut nobody = known.clone();
    nobody.client_auth_cert_resolver = Arc::new(NoCertificate);

    let answer = knock(tokyo, nobody).await;
    checks.expect("no client certificate is refused", answer.is_none(), || format!("{answer:?}"));
    let answer = knock(tokyo, unknown).await;
    checks.expect("an unpaired node is refused", answer.is_none(), || format!("{answer:?}"));
    let answer = knock(tokyo, known).await;
    let refused = answer.as_deref().is_some_and(|text| text.starts_with("HTTP/1.1 4"));
    checks.expect("a paired node without a token is refused", refused, || format!("{answer:?}"));
    tale.say("No certificate, a stranger's certificate, a partner's certificate without a token: each is refused.");
    Ok(())
}

/// Posts an empty message; gives the first line of the answer, or nothing if the door does not answer. With TLS 1.3 a
/// client learns of a refused certificate at its first read.
async fn knock(site: &Site, mut tls: rustls::ClientConfig) -> Option<String> {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let stream = TcpStream::connect(site.node.doors.outside).await.ok()?;
    let name = ServerName::try_from("localhost").ok()?;
    let mut stream = connector.connect(name, stream).await.ok()?;
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/fhir+json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}",
        submit_message::PATH
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = [0u8; 64];
    let size = stream.read(&mut answer).await.ok().filter(|size| *size > 0)?;
    Some(String::from_utf8_lossy(&answer[..size]).lines().next().unwrap_or("").to_owned())
}

/// A client that has no certificate to show.
#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
