//! The container image as an OCI image layout in a tar archive (OCI image-spec v1.1, image-layout.md): what
//! `ctr images import`, `podman load` and `skopeo` take.
//!
//! Each architecture has one layer with the binary and the certificate authorities of the machine that built it. The
//! layer is not compressed, so that its digest is that of its contents (`diff_id`) and depends on no compressor.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::release::Release;
use super::tar::Tar;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The repository that a reference without a registry means, for containerd and for kubelet: `shadow-agent:0.1.0` in
/// the manifests is looked for under this name (distribution/reference, "familiar names").
const REPOSITORY: &str = "docker.io/library/shadow-agent";

/// Where Debian keeps all certificate authorities in one file; the agent looks there too.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Writes `shadow-agent-VERSION.oci.tar` into `out` and gives its path.
pub fn write(releases: &[Release], out: &Path) -> Result<PathBuf> {
    let first = releases.first().context("no architecture was built")?;
    let certificates = std::fs::read(CERTIFICATES)
        .with_context(|| format!("cannot read {CERTIFICATES} (package ca-certificates)"))?;
    let mut layout = Layout::default();
    let mut manifests = Vec::new();
    for release in releases {
        manifests.push(layout.image(release, &certificates)?);
    }
    let image = match manifests.len() {
        1 => manifests.remove(0),
        _ => layout.add(
            INDEX,
            &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}),
        )?,
    };
    let path = out.join(format!("shadow-agent-{}.oci.tar", first.version));
    std::fs::write(&path, layout.archive(image, first.version, first.time)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Blobs by their digest, in the order they were added.
#[derive(Default)]
struct Layout {
    blobs: Vec<(String, Vec<u8>)>,
}

impl Layout {
    /// Adds layer, config and manifest of one architecture; gives the manifest's descriptor.
    fn image(&mut self, release: &Release, certificates: &[u8]) -> Result<Value> {
        let layer = self.add_bytes(LAYER, layer(release, certificates)?)?;
        let config = self.add(CONFIG, &config(release, &layer))?;
        let mut descriptor = self.add(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [layer],
                "annotations": labels(release.version),
            }),
        )?;
        descriptor["platform"] = json!({"architecture": release.arch.name(), "os": "linux"});
        Ok(descriptor)
    }

    fn add(&mut self, media_type: &str, value: &Value) -> Result<Value> {
        self.add_bytes(media_type, serde_json::to_vec(value)?)
    }

    /// Adds a blob and gives its descriptor (descriptor.md).
    fn add_bytes(&mut self, media_type: &str, bytes: Vec<u8>) -> Result<Value> {
        let digest = sha256(&bytes)?;
        let descriptor = json!({
            "mediaType": media_type,
            "digest": format!("sha256:{digest}"),
            "size": bytes.len(),
        });
        if self.blobs.iter().all(|(own, _)| *own != digest) {
            self.blobs.push((digest, bytes));
        }
        Ok(descriptor)
    }

    /// The whole layout as a tar archive.
    fn archive(self, mut image: Value, version: &str, time: u64) -> Result<Vec<u8>> {
        image["annotations"] = json!({
            "org.opencontainers.image.ref.name": version,
            // containerd and podman take the whole name from this one, as it stands: neither completes it.
            "io.containerd.image.name": format!("{REPOSITORY}:{version}"),
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]});
        let mut tar = Tar::new(time);
        tar.file(
            "oci-layout",
            0o644,
            json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes(),
        )?;
        tar.file("index.json", 0o644, index.to_string().as_bytes())?;
        for (digest, bytes) in &self.blobs {
            tar.file(&format!("blobs/sha256/{digest}"), 0o644, bytes)?;
        }
        Ok(tar.finish())
    }
}

fn layer(release: &Release, certificates: &[u8]) -> Result<Vec<u8>> {
    let mut tar = Tar::new(release.time);
    tar.file("shadow-agent", 0o755, &release.binary)?;
    tar.file(CERTIFICATES.trim_start_matches('/'), 0o644, certificates)?;
    Ok(tar.finish())
}

/// The configuration that a runtime starts by (config.md). As user 0, because Kubernetes gives added capabilities to no
/// other.
fn config(release: &Release, layer: &Value) -> Value {
    json!({
        "created": time_text(release.time),
        "architecture": release.arch.name(),
        "os": "linux",
        "config": {
            "User": "0:0",
            "Entrypoint": ["/shadow-agent"],
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": labels(release.version),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": time_text(release.time), "created_by": "cargo xtask dist"}],
    })
}

fn labels(version: &str) -> Value {
    json!({
        "org.opencontainers.image.title": "shadow-agent",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
    })
}

/// Seconds since 1970 as RFC 3339 wants them, in UTC.
fn time_text(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The digest in hex, by coreutils.
fn sha256(bytes: &[u8]) -> Result<String> {
    let text = String::from_utf8(super::filter(&mut super::tool("sha256sum")?, bytes)?)?;
    let digest = text.split(' ').next().unwrap_or_default();
    ensure!(digest.len() == 64, "sha256sum says {text:?}");
    Ok(digest.to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::dist::arch::Arch;
    use crate::setup;

    fn blob<'a>(layout: &'a Layout, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"]
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:");
        let (_, bytes) = layout.blobs.iter().find(|(own, _)| own == digest).unwrap();
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    }

    #[test]
    fn a_manifest_leads_to_its_config_and_layer() {
        let mut layout = Layout::default();
        let descriptor = layout
            .image(&Release::sample(Arch::Arm64), b"certificates")
            .unwrap();
        assert_eq!(
            descriptor["platform"],
            json!({"architecture": "arm64", "os": "linux"})
        );
        let manifest: Value = serde_json::from_slice(blob(&layout, &descriptor)).unwrap();
        assert_eq!(
            manifest["mediaType"],
            "application/vnd.oci.image.manifest.v1+json"
        );
        let config: Value = serde_json::from_slice(blob(&layout, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["Entrypoint"], json!(["/shadow-agent"]));
        assert_eq!(config["config"]["User"], "0:0");
        assert_eq!(config["created"], "2024-02-29T12:34:56Z");
        let layer = &manifest["layers"][0];
        assert_eq!(config["rootfs"]["diff_ids"], json!([layer["digest"]]));
        assert!(blob(&layout, layer).starts_with(b"shadow-agent\0"));
    }

    #[test]
    fn what_two_architectures_share_is_stored_once() {
        let mut layout = Layout::default();
        layout.image(&Release::sample(Arch::Amd64), b"").unwrap();
        layout.image(&Release::sample(Arch::Amd64), b"").unwrap();
        assert_eq!(layout.blobs.len(), 3);
        layout.image(&Release::sample(Arch::Arm64), b"").unwrap();
        assert_eq!(layout.blobs.len(), 6);
    }

    /// Architectures as a release has them: two, of which one is this machine's.
    fn both() -> Vec<Release> {
        vec![Release::sample(Arch::Amd64), Release::sample(Arch::Arm64)]
    }

    #[test]
    fn the_archive_is_named_as_the_manifests_image_is_looked_up() {
        let manifest =
            std::fs::read_to_string(setup::workspace().join("deploy/kubernetes/base/daemon-set.yaml"));
        let manifest = manifest.unwrap();
        assert!(manifest.contains("\n          image: shadow-agent:0.1.0\n"));
        assert!(manifest.contains("\n          imagePullPolicy: IfNotPresent\n"));
        let mut layout = Layout::default();
        let image = layout.image(&Release::sample(Arch::Amd64), b"").unwrap();
        let archive = layout.archive(image, "0.1.0", 0).unwrap();
        let text = String::from_utf8_lossy(&archive);
        let name = r#""io.containerd.image.name":"docker.io/library/shadow-agent:0.1.0""#;
        assert_eq!(text.matches(name).count(), 1);
        assert_eq!(
            text.matches(r#""org.opencontainers.image.ref.name":"0.1.0""#)
                .count(),
            1
        );
    }

    #[test]
    fn containerd_imports_the_archive_under_the_name_of_the_manifests() {
        let stage = shadow_tests::stage!("root", "containerd", "ctr");
        let containerd = Containerd::start(&stage);
        let archive = write(&both(), &stage.path("")).unwrap();
        containerd.ctr(&["images", "import", "--no-unpack", archive.to_str().unwrap()]);
        assert_eq!(
            containerd.ctr(&["images", "list", "--quiet"]).trim(),
            "docker.io/library/shadow-agent:1.2.3"
        );
    }

    #[test]
    fn podman_loads_the_archive_under_the_same_name() {
        let stage = shadow_tests::stage!("root", "podman");
        let archive = write(&both(), &stage.path("")).unwrap();
        // Podman takes 50 bytes at most.
        let run = Run::new("podman");
        let podman = |arguments: &[&str]| {
            let mut command = Command::new("podman");
            command.args(["--storage-driver", "vfs", "--root"]);
            command.arg(stage.path("root")).arg("--runroot").arg(&run.0);
            crate::dist::output(command.args(arguments)).unwrap()
        };
        podman(&["load", "--quiet", "--input", archive.to_str().unwrap()]);
        assert_eq!(
            podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).trim(),
            "docker.io/library/shadow-agent:1.2.3"
        );
        let entrypoint = "{{.Config.User}} {{index .Config.Entrypoint 0}}";
        assert_eq!(
            podman(&["inspect", "--format", entrypoint, "shadow-agent:1.2.3"]).trim(),
            "0:0 /shadow-agent"
        );
    }

    /// A folder with a short path, unlike a stage's: for sockets, whose paths have 107 bytes at most (unix(7)).
    struct Run(PathBuf);

    impl Run {
        fn new(name: &str) -> Self {
            let folder = PathBuf::from(format!("/run/shadow-agent-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A containerd with folders of its own.
    struct Containerd {
        process: std::process::Child,
        run: Run,
    }

    impl Containerd {
        fn start(stage: &shadow_tests::Stage) -> Self {
            let run = Run::new("containerd");
            let (config, root) = (stage.path("containerd.toml"), stage.path("root"));
            let (states, socket) = (run.0.join("states"), run.0.join("socket"));
            let text = format!(
                "version = 2\nroot = {root:?}\nstate = {states:?}\n\
                 disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {socket:?}\n"
            );
            std::fs::write(&config, text).unwrap();
            let log = std::fs::File::create(stage.path("containerd.log")).unwrap();
            let process = Command::new("containerd")
                .arg("--config")
                .arg(config)
                .stderr(log)
                .spawn()
                .unwrap();
            let containerd = Self { process, run };
            shadow_tests::until("containerd answers", || containerd.run(&["version"]).is_ok());
            containerd
        }

        fn run(&self, arguments: &[&str]) -> Result<String> {
            let mut command = Command::new("ctr");
            command.arg("--address").arg(self.run.0.join("socket"));
            crate::dist::output(command.args(["--namespace", "k8s.io"]).args(arguments))
        }

        fn ctr(&self, arguments: &[&str]) -> String {
            self.run(arguments).unwrap()
        }
    }

    impl Drop for Containerd {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[test]
    fn digests_are_those_of_fips_180_4() {
        assert_eq!(
            sha256(b"abc").unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn times_are_written_by_rfc_3339() {
        assert_eq!(time_text(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_text(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(time_text(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(time_text(4_102_444_800), "2100-01-01T00:00:00Z");
    }
}
