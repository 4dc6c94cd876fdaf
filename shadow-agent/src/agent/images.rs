//! Names of the two releases from the images of their pods, where nobody gave any: `shop:v2.3`.

use std::collections::BTreeSet;

use crate::compare::document::ReleaseNames;

/// Images of one side that are known: a rollout has two.
const MAX_IMAGES: usize = 8;
/// Those of them that are named.
const MAX_NAMED: usize = 3;
/// Longest name of an image that is shown, in characters.
const MAX_NAME: usize = 60;
/// Characters of a digest that are shown.
const DIGEST: usize = 12;

/// Names of the images that pods of an output had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    production: BTreeSet<String>,
    shadow: BTreeSet<String>,
}

impl Images {
    /// Those of pods of which requests are copied to the output.
    pub fn add_production(&mut self, image: &str) {
        add(&mut self.production, image);
    }

    /// Those of pods that the output sends to.
    pub fn add_shadow(&mut self, image: &str) {
        add(&mut self.shadow, image);
    }

    /// These, and those that were known before: what was compared stays compared, though a pod goes.
    pub fn extend(&mut self, more: &Self) {
        more.production
            .iter()
            .for_each(|image| insert(&mut self.production, image));
        more.shadow
            .iter()
            .for_each(|image| insert(&mut self.shadow, image));
    }

    /// Names of the releases, of those sides of which an image is known.
    pub fn names(&self) -> ReleaseNames {
        ReleaseNames {
            production: words(&self.production),
            shadow: words(&self.shadow),
        }
    }
}

fn add(images: &mut BTreeSet<String>, image: &str) {
    let name = short(image);
    if !name.is_empty() {
        insert(images, &name);
    }
}

fn insert(images: &mut BTreeSet<String>, name: &str) {
    if images.len() < MAX_IMAGES {
        images.insert(name.to_owned());
    }
}

fn words(images: &BTreeSet<String>) -> Option<String> {
    let named: Vec<&str> = images.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = if images.len() > MAX_NAMED { ", ..." } else { "" };
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}

/// The last part of an image's name with its tag, or with the beginning of its digest where it has none.
fn short(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    let (tagged, digest) = last.split_once('@').unwrap_or((last, ""));
    let digest: String = match digest.split_once(':') {
        Some((_, hash)) if !tagged.contains(':') => hash.chars().take(DIGEST).collect(),
        _ => String::new(),
    };
    let name = if digest.is_empty() {
        tagged.to_owned()
    } else {
        format!("{tagged}@{digest}")
    };
    name.chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_called_as_its_image_and_tag() {
        for (image, name) in [
            ("shop", "shop"),
            ("shop:v2.3", "shop:v2.3"),
            ("registry.example:5000/team/shop:v2.3", "shop:v2.3"),
            ("shop:v2.3@sha256:0123456789abcdef", "shop:v2.3"),
            ("registry/shop@sha256:0123456789abcdef", "shop@0123456789ab"),
            ("registry/sh\u{1b}[31mop:v1", "sh[31mop:v1"),
            ("", ""),
        ] {
            assert_eq!(short(image), name, "{image}");
        }
        assert_eq!(short(&"x".repeat(99)).len(), MAX_NAME);
    }

    #[test]
    fn a_rollout_has_the_names_of_all_that_were_compared() {
        let mut images = Images::default();
        assert!(images.names().is_empty());
        images.add_production("a/shop:v1");
        let mut later = Images::default();
        later.add_production("a/shop:v2");
        later.add_shadow("a/shop:v3");
        images.extend(&later);
        let names = images.names();
        assert_eq!(names.production.as_deref(), Some("shop:v1, shop:v2"));
        assert_eq!(names.shadow.as_deref(), Some("shop:v3"));
        (0..20).for_each(|number| images.add_production(&format!("shop:w{number}")));
        assert_eq!(
            images.names().production.as_deref(),
            Some("shop:v1, shop:v2, shop:w0, ...")
        );
    }
}
