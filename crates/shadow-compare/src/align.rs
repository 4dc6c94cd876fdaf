//! Which nodes of one side belong to which of the other, in order, so that one that is new does not make all behind it look
//! changed.

/// Most cells of tables, all those of one comparison together: each takes a few nanoseconds, and a byte while it is needed.
pub(super) const MAX_CELLS: usize = 1 << 19;

/// The weight of a pair of items that belong together.
const EQUAL: u32 = 8;

/// A node as it is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The same for what is equal.
    pub hash: u64,
    /// The same for what has the same name, whatever is in it.
    pub name: u64,
    /// The same for what is of the same kind; what is not never belongs together.
    pub kind: u64,
    /// Whether it is told apart from others of its kind: then it belongs to none that is told apart by another name.
    pub is_special: bool,
}

impl Part {
    /// How well two belong together; 0 where they do not.
    fn likeness(&self, other: &Self) -> u32 {
        if self.hash == other.hash {
            EQUAL
        } else if self.kind != other.kind {
            0
        } else if self.name == other.name {
            3
        } else {
            u32::from(!(self.is_special && other.is_special))
        }
    }
}

/// One step of an alignment: places in both lists, of what belongs together or is alone.
pub(super) type Step = (Option<usize>, Option<usize>);

/// The part between the beginning and the end that two lists have in common: how long the beginning is, and the rest of each.
pub(super) fn unequal<'a, T>(
    a: &'a [T],
    b: &'a [T],
    equal: impl Fn(&T, &T) -> bool,
) -> (usize, &'a [T], &'a [T]) {
    let equal = |(a, b): &(&T, &T)| equal(a, b);
    let front = a.iter().zip(b).take_while(equal).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a.iter().rev().zip(b.iter().rev()).take_while(equal).count();
    (front, &a[..a.len() - back], &b[..b.len() - back])
}

/// Puts two lists side by side, so that as much as possible belongs together. Takes its table from `cells`; where there are not
/// enough left, the first belongs to the first, the second to the second.
pub(super) fn align(a: &[Part], b: &[Part], cells: &mut usize) -> Vec<Step> {
    let (front, left, right) = unequal(a, b, |a, b| a.hash == b.hash);
    let back = a.len() - front - left.len();
    let size = (left.len() + 1).saturating_mul(right.len() + 1);
    let middle = if left.is_empty() || right.is_empty() || size > *cells {
        one_by_one(left, right)
    } else {
        *cells -= size;
        by_table(left, right)
    };
    let moved = |at: Option<usize>| at.map(|at| at + front);
    let tail = (0..back).map(|at| (Some(front + left.len() + at), Some(front + right.len() + at)));
    (0..front)
        .map(|at| (Some(at), Some(at)))
        .chain(middle.into_iter().map(|(a, b)| (moved(a), moved(b))))
        .chain(tail)
        .collect()
}

fn one_by_one(a: &[Part], b: &[Part]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(a.len().max(b.len()));
    for at in 0..a.len().max(b.len()) {
        match (a.get(at), b.get(at)) {
            (Some(left), Some(right)) if left.likeness(right) > 0 => steps.push((Some(at), Some(at))),
            (left, right) => {
                steps.extend(left.map(|_| (Some(at), None)));
                steps.extend(right.map(|_| (None, Some(at))));
            }
        }
    }
    steps
}

/// By the best sum of likenesses (Needleman and Wunsch, 1970).
fn by_table(a: &[Part], b: &[Part]) -> Vec<Step> {
    const BOTH: u8 = 0;
    const LEFT: u8 = 1;
    const RIGHT: u8 = 2;
    let width = b.len() + 1;
    let mut ways = vec![LEFT; (a.len() + 1) * width];
    ways[..width].fill(RIGHT);
    let (mut last, mut row) = (vec![0_u32; width], vec![0_u32; width]);
    for (i, left) in a.iter().enumerate() {
        for (j, right) in b.iter().enumerate() {
            let likeness = left.likeness(right);
            let (both, without_left, without_right) = (last[j] + likeness, last[j + 1], row[j]);
            let (way, best) = if both > without_left && both > without_right {
                (BOTH, both)
            } else if without_left > without_right {
                (LEFT, without_left)
            } else {
                (RIGHT, without_right)
            };
            ways[(i + 1) * width + j + 1] = way;
            row[j + 1] = best;
        }
        std::mem::swap(&mut last, &mut row);
    }
    let (mut i, mut j) = (a.len(), b.len());
    let mut steps = Vec::with_capacity(i.max(j));
    while i > 0 || j > 0 {
        match ways[i * width + j] {
            BOTH => {
                (i, j) = (i - 1, j - 1);
                steps.push((Some(i), Some(j)));
            }
            LEFT => {
                i -= 1;
                steps.push((Some(i), None));
            }
            _ => {
                j -= 1;
                steps.push((None, Some(j)));
            }
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter for the kind, one for the name, one for all else.
    fn parts(text: &str) -> Vec<Part> {
        let mut all = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let bytes = word.as_bytes();
            all.push(Part {
                kind: u64::from(bytes[0]),
                name: u64::from(bytes[0]) << 8 | u64::from(bytes[1]),
                hash: u64::from(bytes[0]) << 16 | u64::from(bytes[1]) << 8 | u64::from(bytes[2]),
                is_special: bytes[1] != b'-',
            });
        }
        all
    }

    fn aligned(a: &str, b: &str, mut cells: usize) -> String {
        let word =
            |text: &str, at: Option<usize>| at.map_or("", |at| text.split(' ').nth(at).unwrap()).to_owned();
        let steps = align(&parts(a), &parts(b), &mut cells);
        let steps = steps
            .iter()
            .map(|(left, right)| [word(a, *left), word(b, *right)].join("/"));
        steps.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_new_stands_alone() {
        assert_eq!(
            aligned("p-1 p-2 p-3", "d-0 p-1 p-2 p-3", 100),
            "/d-0 p-1/p-1 p-2/p-2 p-3/p-3"
        );
        assert_eq!(aligned("p-1 p-2", "p-1 p-9 p-2", 100), "p-1/p-1 /p-9 p-2/p-2");
        assert_eq!(aligned("p-1 d-2 p-3", "p-1 p-3", 100), "p-1/p-1 d-2/ p-3/p-3");
    }

    #[test]
    fn what_has_changed_belongs_to_what_has_its_name() {
        assert_eq!(aligned("da1 db1 dc1", "db2 dc2", 100), "da1/ db1/db2 dc1/dc2");
        assert_eq!(aligned("d-1 d-2", "da3 d-4", 100), "d-1/da3 d-2/d-4");
        assert_eq!(aligned("da1", "db1", 100), "da1/ /db1");
        assert_eq!(aligned("p-1", "d-1", 100), "p-1/ /d-1");
    }

    #[test]
    fn of_matches_that_are_as_good_the_first_is_taken() {
        assert_eq!(aligned("p-1", "p-2 p-3", 100), "p-1/p-2 /p-3");
        assert_eq!(aligned("p-2 p-3", "p-1", 100), "p-2/p-1 p-3/");
    }

    #[test]
    fn without_room_for_a_table_the_first_belongs_to_the_first() {
        assert_eq!(
            aligned("p-1 d-2 p-3", "p-2 p-3 p-3", 3),
            "p-1/p-2 d-2/ /p-3 p-3/p-3"
        );
        assert_eq!(
            aligned("p-1 d-2 d-3", "p-2 p-4 p-5 p-6", 3),
            "p-1/p-2 d-2/ /p-4 d-3/ /p-5 /p-6"
        );
    }
}
