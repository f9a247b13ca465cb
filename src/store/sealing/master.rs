//! The master key: 32 bytes outside the database, from a file or from a command that prints them (a key service,
//! `systemd-creds cat`). It wraps data keys and the keys of backups, and nothing else.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use super::data_key::{DataKey, open, seal};
use super::{PLAIN, SealError};
use crate::config::StoreConfig;

/// Name of the key file in the keys folder.
pub const MASTER_KEY: &str = "master.key";

/// First byte of a wrapped key.
const FORMAT: u8 = 1;
/// A key file or a command's answer that is longer holds something else.
const LONGEST: u64 = 4096;
/// A command that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterSource {
    /// A file of 64 hexadecimal digits, for its owner only.
    File {
        /// The file.
        path: PathBuf,
        /// Whether a new database may make it. False where the operator named the file: a missing disk must not lead to a
        /// new key.
        may_create: bool,
    },
    /// A program and its arguments; it prints 64 hexadecimal digits.
    Command(Vec<String>),
}

impl MasterSource {
    /// What the configuration says; without a word of it `master.key` in the keys folder.
    pub fn of(config: &StoreConfig) -> Self {
        if !config.master_key_command.is_empty() {
            return Self::Command(config.master_key_command.clone());
        }
        match &config.master_key_file {
            Some(path) => Self::File { path: path.clone(), may_create: false },
            None => Self::File { path: config.keys().join(MASTER_KEY), may_create: true },
        }
    }

    /// `keys/master.key` in the folder of the database file, which is where a node without settings has it.
    pub fn beside(database: &Path) -> Self {
        let path = database.parent().unwrap_or(Path::new(".")).join("keys").join(MASTER_KEY);
        Self::File { path, may_create: true }
    }
}

/// The master key. Never printed.
pub struct MasterKey {
    key: LessSafeKey,
    id: String,
}

impl MasterKey {
    /// Reads the key. `new_database` says that nothing is sealed yet, so that a key may be made where that is allowed.
    pub fn load(source: &MasterSource, new_database: bool) -> Result<Self, SealError> {
        match source {
            MasterSource::Command(words) => Self::parse(&ask(words)?),
            MasterSource::File { path, may_create } => {
                if *may_create && new_database && !path.exists() {
                    make_folder(path)?;
                    Self::create(path)?;
                }
                Self::parse(&read(path)?)
            }
        }
    }

    /// Makes a key and writes it to a new file for its owner only. A file that is there is left as it is.
    pub fn create(path: &Path) -> Result<(), SealError> {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError::Cipher)?;
        let text = crate::ids::hex(&bytes) + "\n";
        // Written whole under another name first: two processes that open a new database at once must not read half a key.
        let draft = path.with_extension(format!("{}.draft", uuid::Uuid::new_v4().simple()));
        let written = write_private(&draft, text.as_bytes()).and_then(|()| std::fs::hard_link(&draft, path));
        let _ = std::fs::remove_file(&draft);
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(|error| no_master(path, &error)),
        }
    }

    fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = from_hex(text.trim())
            .ok_or_else(|| SealError::NoMaster("it is not 64 hexadecimal digits (32 bytes)".to_owned()))?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Cipher)?;
        let id = crate::ids::sha256_hex(&[b"watari/master-key/1".as_slice(), &bytes].concat());
        Ok(Self { key: LessSafeKey::new(key), id: id.chars().take(16).collect() })
    }

    /// Tells keys apart: the first 16 hexadecimal digits of a digest. Says nothing of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes data key `number`; gives it and its wrapping, which goes into the database.
    pub fn new_data_key(&self, number: u32) -> Result<(DataKey, Vec<u8>), SealError> {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealError::Cipher)?;
        Ok((DataKey::new(number, &bytes)?, self.wrap(number, &bytes)?))
    }

    /// Opens the wrapping of data key `number`, which `wrapped_by` made.
    pub fn unwrap(&self, number: u32, wrapped_by: &str, wrapped: &[u8]) -> Result<DataKey, SealError> {
        DataKey::new(number, &self.bytes_of(number, wrapped_by, wrapped)?)
    }

    /// Wraps data key `number` under `new` instead of this key.
    pub fn rewrap(&self, new: &Self, number: u32, wrapped_by: &str, wrapped: &[u8]) -> Result<Vec<u8>, SealError> {
        new.wrap(number, &self.bytes_of(number, wrapped_by, wrapped)?)
    }

    /// Wraps the key of one backup file, bound to what `bound_to` says of the file.
    pub(super) fn wrap_stream(&self, bound_to: &[u8], bytes: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        seal(&self.key, FORMAT, &for_stream(bound_to), bytes)
    }

    /// What [`MasterKey::wrap_stream`] wrapped, if this key did and nothing was changed.
    pub(super) fn unwrap_stream(&self, bound_to: &[u8], wrapped: &[u8]) -> Option<[u8; 32]> {
        open(&self.key, FORMAT, &for_stream(bound_to), wrapped)?.try_into().ok()
    }

    fn wrap(&self, number: u32, bytes: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        seal(&self.key, FORMAT, &bound_to(number), bytes)
    }

    fn bytes_of(&self, number: u32, wrapped_by: &str, wrapped: &[u8]) -> Result<[u8; 32], SealError> {
        if number == PLAIN {
            return Err(SealError::NoDataKey(number));
        }
        if wrapped_by != self.id {
            return Err(SealError::WrongMaster { found: self.id.clone(), expected: wrapped_by.to_owned() });
        }
        open(&self.key, FORMAT, &bound_to(number), wrapped)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(SealError::Changed("data_key"))
    }
}

fn bound_to(number: u32) -> Vec<u8> {
    [b"watari/data-key/1".as_slice(), &number.to_be_bytes()].concat()
}

fn for_stream(bound_to: &[u8]) -> Vec<u8> {
    [b"watari/backup-key/1".as_slice(), bound_to].concat()
}

fn no_master(path: &Path, why: &dyn std::fmt::Display) -> SealError {
    SealError::NoMaster(format!("{}: {why}", path.display()))
}

fn read(path: &Path) -> Result<String, SealError> {
    let file = std::fs::File::open(path).map_err(|error| no_master(path, &error))?;
    let mode = {
        use std::os::unix::fs::PermissionsExt as _;
        file.metadata().map_err(|error| no_master(path, &error))?.permissions().mode()
    };
    if mode & 0o077 != 0 {
        return Err(no_master(path, &"others can read it; chmod 600 it"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| no_master(path, &error))?;
    Ok(text)
}

fn make_folder(path: &Path) -> Result<(), SealError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| no_master(folder, &error))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Runs the command and gives what it prints. What it says on standard error is shown to the operator by the shell or the
/// journal; its words are not repeated here.
fn ask(words: &[String]) -> Result<String, SealError> {
    let failed = |why: String| SealError::NoMaster(format!("master_key_command: {why}"));
    let (program, arguments) = words.split_first().ok_or_else(|| failed("it is empty".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let printed = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        printed.map(|out| out.take(LONGEST).read_to_string(&mut text)).transpose().map(|_| text)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if began.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("no answer within {} seconds", PATIENCE.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    let text = reader.join().map_err(|_| failed("its answer cannot be read".to_owned()))?;
    text.map_err(|error| failed(error.to_string()))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn command(script: &str) -> MasterSource {
        MasterSource::Command(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[test]
    fn a_key_is_made_for_a_new_database_only_and_only_where_nobody_named_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join(MASTER_KEY);
        let named = MasterSource::File { path: path.clone(), may_create: false };
        let usual = MasterSource::File { path: path.clone(), may_create: true };
        assert!(matches!(MasterKey::load(&named, true), Err(SealError::NoMaster(_))));
        assert!(matches!(MasterKey::load(&usual, false), Err(SealError::NoMaster(_))));
        let made = MasterKey::load(&usual, true).unwrap();
        assert_eq!(MasterKey::load(&named, false).unwrap().id(), made.id());
        assert_eq!(MasterKey::load(&usual, true).unwrap().id(), made.id(), "it is kept");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MASTER_KEY);
        MasterKey::create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = MasterKey::load(&MasterSource::File { path, may_create: true }, false);
        assert!(matches!(refused, Err(SealError::NoMaster(why)) if why.contains("chmod 600")));
    }

    #[test]
    fn a_command_prints_the_key_or_says_why_not() {
        let key = MasterKey::load(&command(&format!("echo {TEXT}")), false).unwrap();
        assert_eq!(key.id(), MasterKey::parse(TEXT).unwrap().id());
        for (script, why) in [("exit 3", "exit status: 3"), ("echo short", "64 hexadecimal"), ("echo; echo", "64")] {
            let error = MasterKey::load(&command(script), true).err().unwrap().to_string();
            assert!(error.contains(why), "{script}: {error}");
        }
    }

    #[test]
    fn a_data_key_is_unwrapped_by_its_master_under_its_number_only() {
        let master = MasterKey::parse(TEXT).unwrap();
        let other = MasterKey::parse(&TEXT.replace("1f", "2f")).unwrap();
        let (_, wrapped) = master.new_data_key(1).unwrap();
        assert!(master.unwrap(1, master.id(), &wrapped).is_ok());
        assert!(matches!(master.unwrap(2, master.id(), &wrapped), Err(SealError::Changed(_))));
        assert!(matches!(other.unwrap(1, master.id(), &wrapped), Err(SealError::WrongMaster { .. })));
        let again = master.rewrap(&other, 1, master.id(), &wrapped).unwrap();
        assert!(other.unwrap(1, other.id(), &again).is_ok());
        assert!(master.unwrap(1, other.id(), &again).is_err());
    }
}
