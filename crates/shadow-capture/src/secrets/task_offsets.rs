//! Where the kernel keeps a task's parent, its number, and the file that it runs: as its own type information says (BTF,
//! Documentation/bpf/btf.rst), which Linux has since 4.18 where it is built in (`CONFIG_DEBUG_INFO_BTF`).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;

/// Where the running kernel says how its types are laid out.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Bytes of it that are read: those of distributions have 4 to 8 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// Structures without a name within one another that a member is looked for in.
const DEEPEST: u32 = 8;

/// `btf_header.magic`, in this machine's order of bytes.
const MAGIC: u16 = 0xeb9f;

/// `BTF_KIND_STRUCT`.
const STRUCT: u32 = 4;
/// `BTF_KIND_UNION`.
const UNION: u32 = 5;

/// Offsets in bytes, each in the structure that is named first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// `task_struct.real_parent`.
    pub real_parent: u32,
    /// `task_struct.tgid`.
    pub tgid: u32,
    /// `task_struct.mm`.
    pub mm: u32,
    /// `mm_struct.exe_file`.
    pub exe_file: u32,
    /// `file.f_inode`.
    pub f_inode: u32,
}

impl TaskOffsets {
    /// Those of the running kernel; `None` where it does not say.
    pub fn of_this_kernel() -> Option<Self> {
        let mut bytes = Vec::new();
        let file = File::open(VMLINUX).ok()?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Self::read(&bytes)
    }

    /// Those that this type information has.
    fn read(bytes: &[u8]) -> Option<Self> {
        let types = Types::read(bytes, &["task_struct", "mm_struct", "file"])?;
        Some(Self {
            real_parent: types.offset("task_struct", "real_parent")?,
            tgid: types.offset("task_struct", "tgid")?,
            mm: types.offset("task_struct", "mm")?,
            exe_file: types.offset("mm_struct", "exe_file")?,
            f_inode: types.offset("file", "f_inode")?,
        })
    }
}

/// Type information, with the structures of some names found.
struct Types<'a> {
    /// `btf_type` after `btf_type`, each with what belongs to it.
    all: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins, by its number less one: 0 is `void`.
    starts: Vec<usize>,
    named: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Types<'a> {
    fn read(bytes: &'a [u8], names: &[&'a str]) -> Option<Self> {
        let header = Words(bytes);
        if u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let part = |place: usize| {
            let start = header.at(4)?.checked_add(header.at(place)?)? as usize;
            bytes.get(start..start.checked_add(header.at(place + 4)? as usize)?)
        };
        let mut read = Self {
            all: part(8)?,
            strings: part(16)?,
            starts: Vec::new(),
            named: HashMap::new(),
        };
        let mut start = 0;
        while start < read.all.len() {
            let (kind, count) = read.kind(start)?;
            if kind == STRUCT
                && let Some(name) = names.iter().find(|name| read.is_named(start, name))
            {
                read.named.entry(*name).or_default().push(start);
            }
            read.starts.push(start);
            start += 12 + behind(kind, count)?;
        }
        Some(read)
    }

    /// Where a member is in the structure of a name; of several, in the first that has it.
    fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let starts = self.named.get(structure)?;
        let bits = starts
            .iter()
            .find_map(|start| self.bits(*start, member, DEEPEST))?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    fn bits(&self, start: usize, wanted: &str, deepest: u32) -> Option<u32> {
        let (_, count) = self.kind(start)?;
        let has_widths = Words(self.all).at(start + 4)? >> 31 == 1;
        (0..count as usize).find_map(|number| {
            let member = start + 12 + 12 * number;
            let offset = Words(self.all).at(member + 8)?;
            // With bit fields the upper byte is a width.
            let offset = if has_widths { offset & 0x00ff_ffff } else { offset };
            if self.is_named(member, wanted) {
                return Some(offset);
            }
            let inner = (Words(self.all).at(member + 4)? as usize).checked_sub(1)?;
            let inner = *self.starts.get(inner)?;
            let (kind, _) = self.kind(inner)?;
            if deepest == 0 || !self.is_named(member, "") || !matches!(kind, STRUCT | UNION) {
                return None;
            }
            self.bits(inner, wanted, deepest - 1)?.checked_add(offset)
        })
    }

    /// Its kind, and how many members or the like it has.
    fn kind(&self, start: usize) -> Option<(u32, u32)> {
        let info = Words(self.all).at(start + 4)?;
        Some((info >> 24 & 0x1f, info & 0xffff))
    }

    /// Whether a type or member has this name.
    fn is_named(&self, start: usize, name: &str) -> bool {
        let place = Words(self.all).at(start).unwrap_or(u32::MAX) as usize;
        let rest = self.strings.get(place..).unwrap_or_default();
        rest.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// Bytes that follow a type of this kind; `None` of one that is not known.
fn behind(kind: u32, count: u32) -> Option<usize> {
    let count = count as usize;
    Some(match kind {
        // Pointers, forward declarations, names and qualifiers of types, functions, floating-point numbers, tags.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, tags of declarations.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structures, unions, sections, wide enumerations.
        STRUCT | UNION | 15 | 19 => 12 * count,
        // Enumerations, prototypes.
        6 | 13 => 8 * count,
        _ => return None,
    })
}

/// Words of 32 bits in this machine's order of bytes.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn at(&self, place: usize) -> Option<u32> {
        let bytes = self.0.get(place..place.checked_add(4)?)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Type information that is put together by hand.
    #[derive(Default)]
    struct Made {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Made {
        fn string(&mut self, text: &str) -> u32 {
            let place = u32::try_from(self.strings.len()).unwrap();
            self.strings.extend_from_slice(text.as_bytes());
            self.strings.push(0);
            place
        }

        fn words(&mut self, words: &[u32]) {
            self.types
                .extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }

        /// A structure with members: name, type, offset in bits.
        fn structure(&mut self, name: &str, flag: u32, members: &[(&str, u32, u32)]) {
            let name = self.string(name);
            let count = u32::try_from(members.len()).unwrap();
            self.words(&[name, flag << 31 | STRUCT << 24 | count, 64]);
            for (member, kind, offset) in members {
                let member = self.string(member);
                self.words(&[member, *kind, *offset]);
            }
        }

        fn whole(&self) -> Vec<u8> {
            let [types, strings] =
                [&self.types, &self.strings].map(|part| u32::try_from(part.len()).unwrap());
            let mut whole = MAGIC.to_ne_bytes().to_vec();
            whole.extend([1, 0]);
            whole.extend(
                [24, 0, types, types, strings]
                    .iter()
                    .flat_map(|word| word.to_ne_bytes()),
            );
            whole.extend(&self.types);
            whole.extend(&self.strings);
            whole
        }
    }

    fn kernel() -> Vec<u8> {
        let mut made = Made::default();
        made.string("");
        // 1: int; 2: a pointer.
        made.words(&[0, 1 << 24, 4, 32, 0, 2 << 24, 1]);
        // 3: a part without a name.
        made.structure("", 0, &[("mm_count", 1, 0), ("exe_file", 2, 128)]);
        made.structure("mm_struct", 0, &[("", 3, 512)]);
        // Bit fields: widths stand above the offsets.
        made.structure(
            "task_struct",
            1,
            &[
                ("mm", 2, 64),
                ("state", 1, (3 << 24) + 96),
                ("tgid", 1, 160),
                ("real_parent", 2, 192),
            ],
        );
        // Another of that name comes first.
        made.structure("file", 0, &[("name", 2, 0)]);
        made.structure("file", 0, &[("f_mode", 1, 0), ("f_inode", 2, 256)]);
        made.whole()
    }

    #[test]
    fn offsets_are_those_of_members_however_deep() {
        let expected = TaskOffsets {
            real_parent: 24,
            tgid: 20,
            mm: 8,
            exe_file: 80,
            f_inode: 32,
        };
        assert_eq!(TaskOffsets::read(&kernel()), Some(expected));
    }

    #[test]
    fn this_kernel_says_where_they_are() {
        if std::path::Path::new(VMLINUX).exists() {
            let offsets = TaskOffsets::of_this_kernel().unwrap();
            assert!(
                offsets.tgid != offsets.mm && offsets.tgid.is_multiple_of(4),
                "{offsets:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_cut_or_changed_gives_offsets_or_none(at in any::<prop::sample::Index>(), to: u8, cut: bool) {
            let mut bytes = kernel();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] = to;
            }
            let _ = TaskOffsets::read(&bytes);
        }
    }
}
