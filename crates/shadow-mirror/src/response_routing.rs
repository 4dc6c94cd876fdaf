//! Requests that some mirrors did not take, by name, so that the responses to them do not reach those mirrors either. Between
//! a request and its response both may have been at a middleware, or in a recording: the name is all that joins them.

use std::rc::Rc;

use hashlink::LinkedHashMap;

use super::MessageId;

/// Names that are remembered, each some hundred bytes. Those that have been answered are forgotten first; the response to
/// one that is forgotten goes where a response goes whose request nobody kept back.
const MAX_REMEMBERED: usize = 65_536;

/// The slots of the mirrors that took such a request. Those whose response came stand in front.
#[derive(Default)]
pub(super) struct ResponseRouting(LinkedHashMap<MessageId, Rc<[usize]>>);

impl ResponseRouting {
    /// The mirrors in the slots `takers` took the request, which are all that it concerned or not.
    pub fn note(&mut self, id: &MessageId, all: bool, takers: &Rc<[usize]>) {
        if all {
            // It may be there from a recording that is played again.
            if !self.0.is_empty() {
                self.0.remove(id);
            }
            return;
        }
        self.0.insert(id.clone(), Rc::clone(takers));
        if self.0.len() > MAX_REMEMBERED {
            self.0.pop_front();
        }
    }

    /// Of the mirrors in the slots `concerned`, those that get a response of this name.
    pub fn takers(&mut self, id: &MessageId, concerned: Rc<[usize]>) -> Rc<[usize]> {
        // There may be more: the shadow's.
        match self.0.to_front(id) {
            Some(takers) => Rc::clone(takers),
            None => concerned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MessageId {
        MessageId::given(number.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_was_not_taken_by_all_is_remembered_until_others_need_the_room() {
        let mut taken = ResponseRouting::default();
        let (all, one): (Rc<[usize]>, Rc<[usize]>) = ([0, 1].into(), [1].into());
        taken.note(&id(0), true, &all);
        assert!(taken.0.is_empty());
        for number in 1..=MAX_REMEMBERED {
            taken.note(&id(number), false, &one);
        }
        for _ in 0..2 {
            assert_eq!(
                *taken.takers(&id(9), all.clone()),
                [1],
                "also the second response"
            );
        }
        taken.note(&id(0), false, &one);
        assert_eq!(*taken.takers(&id(9), all.clone()), [0, 1], "it was answered");
        assert_eq!(
            *taken.takers(&id(1), all.clone()),
            [1],
            "it waits for its response"
        );
        taken.note(&id(1), true, &all);
        assert_eq!(*taken.takers(&id(1), all), [0, 1], "played again");
    }
}
