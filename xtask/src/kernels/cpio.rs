//! Archives as the kernel unpacks them into its first file system: cpio in its "new ASCII" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// An archive being written. Everything belongs to root and may be executed.
#[derive(Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Cpio {
    /// Adds a file by its absolute path, and the folders it stands in.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.parents(path);
        self.entry(path, FILE, contents);
    }

    /// Adds an empty folder by its absolute path.
    pub fn folder(&mut self, path: &str) {
        self.parents(&format!("{path}/"));
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, to: &str) {
        self.parents(path);
        self.entry(path, LINK, to.as_bytes());
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("/TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').skip(1) {
            let folder = &path[..at];
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder, FOLDER, &[]);
            }
        }
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let name = path.trim_start_matches('/');
        self.entries += 1;
        // inode, mode, user, group, links, time, size, device (4 fields), length of the name, checksum
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            contents.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        let whole = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(whole, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_contents_each_padded() {
        let mut archive = Cpio::default();
        archive.file("/a/b", b"hello");
        let bytes = archive.finish();
        let first = "070701\
                     00000001000041ed0000000000000000000000010000000000000000\
                     000000000000000000000000000000000000000200000000a\0";
        assert_eq!(std::str::from_utf8(&bytes[..112]).unwrap(), first);
        assert_eq!(&bytes[112..118], b"070701");
        assert_eq!(&bytes[112 + 54..112 + 62], b"00000005");
        assert_eq!(&bytes[222..236], b"a/b\0\0\0hello\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_folder_is_made_once_before_what_is_in_it() {
        let mut archive = Cpio::default();
        archive.file("/lib/x", b"");
        archive.link("/lib/y", "x");
        archive.folder("/lib/z");
        let text = String::from_utf8(archive.finish()).unwrap();
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("lib\0") < at("lib/x\0") && at("lib/x\0") < at("lib/y\0"));
        assert_eq!(text.matches("lib\0").count(), 1);
        assert!(text.contains("lib/z\0") && text.contains("TRAILER!!!\0"));
    }
}
