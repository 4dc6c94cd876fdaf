//! Apache as a server of the tests: its configuration, but for what its protocols need, and what starts it.

use std::path::Path;
use std::process::Command;

use crate::Place;

/// The fields of the tests' nginx, in its order.
const FIELDS: &str = r"0\t%k\t%>s\t%m\t%U%q\t%H\t%{Host}i\t%{X-Id}i\t-\t%a";

/// Where it stands, and what it loads.
pub(crate) struct Apache<'a> {
    /// Its files are in here: the configuration, the page that it answers with, its log and its pid.
    pub folder: &'a Path,
    pub port: u16,
    /// The file that it logs requests in.
    pub log: &'a Path,
    /// Modules beside those that every server of the tests has.
    pub modules: &'a [&'a str],
    /// Lines about its protocols.
    pub protocols: &'a str,
}

impl Apache<'_> {
    /// Writes its files; the command that starts it.
    pub fn command(&self, place: &impl Place) -> Command {
        let write = |name: &str, text: &str| {
            let path = self.folder.join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path
        };
        let modules: Vec<String> = ["mpm_event", "authz_core", "alias", "ssl"]
            .iter()
            .chain(self.modules)
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .collect();
        let modules = modules.concat();
        let page = write("page.txt", &"x".repeat(1024));
        let configuration = format!(
            "{modules}
ServerName production.test
Listen {port}
PidFile {folder}/pid
ErrorLog /dev/stderr
DefaultRuntimeDir {folder}
StartServers 2
ServerLimit 2
MaxRequestWorkers 50
MinSpareThreads 1
MaxSpareThreads 50
MaxKeepAliveRequests 0
KeepAliveTimeout 60
GracefulShutdownTimeout 10
LogFormat \"{FIELDS}\" fields
CustomLog {log} fields
{protocols}
AliasMatch ^/ {page}
<Location />
Require all granted
</Location>
",
            port = self.port,
            folder = self.folder.display(),
            log = self.log.display(),
            protocols = self.protocols,
            page = page.display(),
        );
        let file = write("apache2.conf", &configuration);
        let mut apache = place.command("apache2");
        apache.arg("-f").arg(file).args(["-D", "FOREGROUND"]);
        apache
    }
}
