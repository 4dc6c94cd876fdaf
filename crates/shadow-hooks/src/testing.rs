//! Executables made in memory, with what a test or a fuzz target wants in them, and what holds of any hook in any image.

use iced_x86::{Decoder, DecoderOptions};

use crate::HookPoint;

/// `e_machine` of amd64.
pub const AMD64: u16 = 62;

/// `e_machine` of arm64.
pub const ARM64: u16 = 183;

/// Where in the file the code begins.
pub const CODE_OFFSET: u64 = 0x100;

/// The address that the code is mapped at.
pub const CODE: u64 = 0x40_0100;

/// The address that the data are mapped at; the file has them wherever the code ends, on a multiple of 8.
pub const DATA: u64 = 0x80_0000;

/// A 64-bit little-endian executable of one segment of code and one of data.
#[derive(Debug, Clone, Default)]
pub struct Executable {
    machine: u16,
    code: Vec<u8>,
    data: Vec<u8>,
    symbols: Vec<(String, u64, bool)>,
    section: Option<String>,
}

impl Executable {
    /// With this code at [`CODE`], and nothing else.
    pub fn new(machine: u16, code: &[u8]) -> Self {
        Self {
            machine,
            code: code.to_vec(),
            ..Self::default()
        }
    }

    /// Puts these data at [`DATA`].
    #[must_use]
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }

    /// Calls the data a section of this name.
    #[must_use]
    pub fn section(mut self, name: &str) -> Self {
        self.section = Some(name.to_owned());
        self
    }

    /// Has a function of this name at `address`.
    #[must_use]
    pub fn function(mut self, name: &str, address: u64) -> Self {
        self.symbols.push((name.to_owned(), address, true));
        self
    }

    /// Asks another file for a function of this name.
    #[must_use]
    pub fn asks_for(mut self, name: &str) -> Self {
        self.symbols.push((name.to_owned(), 0, false));
        self
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = vec![0; CODE_OFFSET as usize];
        file.extend_from_slice(&self.code);
        file.resize(file.len().next_multiple_of(8), 0);
        let data = file.len();
        file.extend_from_slice(&self.data);
        let (strings, names) = self.strings();
        let strings_at = file.len();
        file.extend_from_slice(&strings);
        let symbols = file.len();
        file.resize(symbols + 24, 0);
        for ((_, address, defined), name) in self.symbols.iter().zip(names) {
            put(
                &mut file,
                &[
                    u64::from(name) | 0x12 << 32 | u64::from(*defined) << 48,
                    *address,
                    0,
                ],
            );
        }
        let table = file.len();
        file.resize(table + 64, 0);
        let code_end = CODE_OFFSET as usize + self.code.len();
        // Behind the empty one, and in the order of what `strings` begins with.
        let sections = [
            (1_u64, 1_u64, CODE, CODE_OFFSET as usize..code_end, 0_u64),
            (7, 11, 0, symbols..table, 3),
            (15, 3, 0, strings_at..symbols, 0),
            (23, 1, DATA, data..strings_at, 0),
        ];
        for (name, kind, address, range, link) in sections {
            let length = range.len() as u64;
            let fields = [
                name | kind << 32,
                0,
                address,
                range.start as u64,
                length,
                link,
                0,
                0,
            ];
            put(&mut file, &fields);
        }
        let segments = [
            (5, CODE, CODE_OFFSET as usize..code_end),
            (4, DATA, data..strings_at),
        ];
        self.header(&mut file, table, segments);
        file
    }

    /// A table of strings with the names of the sections and the symbols, and where the latter stand.
    fn strings(&self) -> (Vec<u8>, Vec<u32>) {
        let section = self.section.as_deref().unwrap_or(".data");
        let mut strings = format!("\0.text\0.dynsym\0.dynstr\0{section}\0").into_bytes();
        let mut names = Vec::new();
        for (name, ..) in &self.symbols {
            names.push(strings.len() as u32);
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        (strings, names)
    }

    fn header(&self, file: &mut [u8], table: usize, segments: [(u64, u64, std::ops::Range<usize>); 2]) {
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let machine = u64::from(self.machine);
        // Type, machine and version, entry, segments, sections.
        put(&mut header, &[0x1_0000_0002 | machine << 16, 0, 64, table as u64]);
        // No flags; sizes and counts of the header, segments and sections; the table of strings.
        for half in [0_u16, 0, 64, 56, 2, 64, 5, 3] {
            header.extend_from_slice(&half.to_le_bytes());
        }
        for (flags, address, range) in segments {
            let length = range.len() as u64;
            let fields = [
                1 | flags << 32,
                range.start as u64,
                address,
                address,
                length,
                length,
                8,
            ];
            put(&mut header, &fields);
        }
        file[..header.len()].copy_from_slice(&header);
    }
}

fn put(bytes: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// Go's table of functions, as Go 1.20 and later write it: names, and how far behind the beginning of the code each is.
pub fn go_table(machine: u16, functions: &[(&str, u32)]) -> Vec<u8> {
    const HEADER: u64 = 72;
    let mut names = Vec::new();
    let mut name_offsets = Vec::new();
    for (name, _) in functions {
        name_offsets.push(names.len() as u32);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    names.resize(names.len().next_multiple_of(8), 0);
    let pairs = HEADER + names.len() as u64;
    let least = if machine == ARM64 { 4 } else { 1 };
    let mut table = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, least, 8];
    // Functions, files, text, and the offsets of names, units, files, counters and pairs.
    put(
        &mut table,
        &[functions.len() as u64, 0, 0, HEADER, pairs, pairs, pairs, pairs],
    );
    table.extend_from_slice(&names);
    let infos = functions.len() as u32 * 8 + 4;
    for (index, (_, entry)) in functions.iter().enumerate() {
        table.extend_from_slice(&entry.to_le_bytes());
        table.extend_from_slice(&(infos + index as u32 * 8).to_le_bytes());
    }
    table.extend_from_slice(&[0xff; 4]);
    for ((_, entry), name) in functions.iter().zip(name_offsets) {
        table.extend_from_slice(&entry.to_le_bytes());
        table.extend_from_slice(&name.to_le_bytes());
    }
    table
}

/// Fails unless `point` is where an instruction of its function begins, in an executable segment of `image` and within the
/// file, and is a cheap one if it says so.
///
/// # Panics
///
/// If it is not.
pub fn assert_sound(image: &[u8], point: &HookPoint) {
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&image[at..at + bytes]);
        u64::from_le_bytes(word)
    };
    assert!(point.offset < image.len() as u64, "behind the end");
    let segments = number(32, 8) as usize;
    let is_inside = (0..number(56, 2) as usize).any(|index| {
        let at = segments + index * 56;
        let (from, length) = (number(at + 8, 8), number(at + 32, 8));
        let is_code = number(at, 4) == 1 && number(at + 4, 4) & 1 == 1;
        is_code && from <= point.offset && point.offset - from < length
    });
    assert!(is_inside, "outside of the code");
    let entry = (point.offset - point.within) as usize;
    let within = point.within as usize;
    if number(18, 2) == u64::from(ARM64) {
        assert_eq!(within % 4, 0);
        return;
    }
    let mut decoder = Decoder::new(64, &image[entry..], DecoderOptions::NONE);
    while decoder.position() < within {
        assert!(!decoder.decode().is_invalid());
    }
    assert_eq!(decoder.position(), within, "within an instruction");
    let code = &image[entry + within..];
    let cheap = matches!(code, [0x50..=0x57 | 0x90 | 0x70..=0x7f | 0xeb | 0xe8 | 0xe9, ..])
        || matches!(code, [0x41, 0x50..=0x57, ..] | [0x0f, 0x80..=0x8f, ..]);
    assert!(!point.emulated || cheap && !decoder.decode().is_invalid());
}
