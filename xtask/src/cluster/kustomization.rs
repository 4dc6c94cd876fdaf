//! The kustomizations that are applied: the overlays of `deploy/kubernetes` as users take them, with an image.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::setup;

/// Folders to `kubectl apply -k`.
pub struct Folders {
    /// Production and shadows.
    pub demo: String,
    /// The same without its `HTTPRoute`, for clusters that have no such kind.
    pub demo_without_routes: String,
    /// The agent with GoReplay's arguments.
    pub goreplay: String,
    /// The agent that follows routes.
    pub routes: String,
}

impl Folders {
    /// Writes them below `folder`, with the agent of `image`.
    pub fn write(folder: &Path, image: &str) -> Result<Self> {
        let images = images(image)?;
        let no_route = "patches:\n  - patch: |\n      $patch: delete\n      apiVersion: gateway.networking.k8s.io/v1beta1\n      \
                        kind: HTTPRoute\n      metadata: {name: httpbin, namespace: goreplay}\n";
        let write = |name: &str, overlay: &str, more: &str| write(&folder.join(name), overlay, more);
        Ok(Self {
            demo: write("demo", "demo", "")?,
            demo_without_routes: write("demo-without-routes", "demo", no_route)?,
            goreplay: write("goreplay", "goreplay", &images)?,
            routes: write("routes", "routes", &images)?,
        })
    }
}

fn write(folder: &Path, overlay: &str, more: &str) -> Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let overlay = setup::workspace()
        .canonicalize()?
        .join("deploy/kubernetes/overlays")
        .join(overlay);
    // kustomize takes no absolute path.
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - {}\n{more}",
        relative(&folder, &overlay).display()
    );
    let file = folder.join("kustomization.yaml");
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(folder.display().to_string())
}

/// The entry of `images` that puts this reference in the place of the manifests' own.
fn images(image: &str) -> Result<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@".contains(&byte);
    ensure!(
        !image.is_empty() && image.bytes().all(allowed),
        "--image '{image}' is not a reference to an image, such as registry.example/shadow-agent:0.1.0"
    );
    let (name, version) = match image.split_once('@') {
        Some((name, digest)) => (name, format!("digest: {digest}")),
        None => match image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => (name, format!("newTag: \"{tag}\"")),
            None => (image, "newTag: latest".to_owned()),
        },
    };
    Ok(format!(
        "images:\n  - name: shadow-agent\n    newName: {name}\n    {version}\n"
    ))
}

/// The way from the folder `from` to `to`, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    from.map(|_| Component::ParentDir).chain(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_becomes_name_and_tag_or_digest() {
        let of = |image: &str| images(image).unwrap();
        let head = "images:\n  - name: shadow-agent\n    newName: ";
        assert_eq!(
            of("r.example:5000/a/b:1.2"),
            format!("{head}r.example:5000/a/b\n    newTag: \"1.2\"\n")
        );
        assert_eq!(
            of("r.example:5000/a"),
            format!("{head}r.example:5000/a\n    newTag: latest\n")
        );
        assert_eq!(of("a@sha256:ab"), format!("{head}a\n    digest: sha256:ab\n"));
        assert!(images("a: b\n").is_err() && images("").is_err());
    }

    #[test]
    fn the_way_between_folders_goes_up_as_far_as_it_must() {
        let relative = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(relative("/a/b/c", "/a/d"), PathBuf::from("../../d"));
        assert_eq!(relative("/a", "/a/d"), PathBuf::from("d"));
    }

    /// Only with a kubectl of today: `cargo xtask test` names one.
    #[test]
    fn what_is_written_renders_with_the_image_and_without_the_route() {
        let Some(kubectl) = std::env::var_os("SHADOW_AGENT_KUBECTL") else {
            return;
        };
        let folder = setup::target().join(format!("cluster-kustomizations-{}", std::process::id()));
        let folders = Folders::write(&folder, "registry.example/agent:9").unwrap();
        let render = |folder: &str| {
            let output = std::process::Command::new(&kubectl)
                .args(["kustomize", folder])
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        for folder in [&folders.goreplay, &folders.routes] {
            assert!(render(folder).contains("image: registry.example/agent:9\n"));
        }
        assert!(render(&folders.demo).contains("kind: HTTPRoute\n"));
        assert!(!render(&folders.demo_without_routes).contains("kind: HTTPRoute\n"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
