//! A script that looks at the server from another machine, for what cannot be seen from here.

use super::case::{Case, has_anywhere};

/// Returns the script, or `None` if no server tells its hosts.
pub(super) fn probe(case: &Case<'_>) -> Option<String> {
    let servers = case.servers.ok()?;
    let hosts = servers.iter().find_map(|it| it.posture.as_ref().ok()?.hosts.as_ref())?;
    let is_jitsi = !case.policy.focuses.is_empty();
    // The web app's own address is known where the file has the link of invitations, or in Prosody's names.
    let site = case.settings.services.iter().find_map(|service| {
        let link = service.invitations.link.strip_prefix("https://")?;
        link.split(['/', ':']).next()
    });
    let main = hosts.all.iter().find(|host| !host.is_component && hosts.has(host, "bosh"));
    let main = main.or_else(|| hosts.all.iter().find(|host| !host.is_component));
    let site = site.or_else(|| main.map(|host| host.name.as_str()))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !site.chars().all(is_name) || site.starts_with('-') {
        return None;
    }
    let mut text = format!(
        "#!/bin/sh\n# Run this on a machine that is not the server. It only asks; nothing is changed.\n\
         # Exit status: 0 all is fine, 1 a warning, 2 it cannot be known from here.\nsite={site}\n{HEAD}\
         port 5347 components\nport 5280 'HTTP without encryption'\n"
    );
    if is_jitsi {
        text.push_str(JITSI);
    }
    if has_anywhere(hosts, "bosh") {
        text.push_str(BOSH);
    }
    text.push_str("exit $status\n");
    Some(text)
}

/// Of names on the Internet, many certificates are not valid everywhere; here it is asked what answers, not who. A proxy would
/// answer in the server's place.
const HEAD: &str = "command -v curl >/dev/null || { echo 'not known: this needs curl'; exit 2; }
status=0
warn() { echo \"WARNING: $*\"; status=1; }
ask() { curl -q -s -k --noproxy '*' -m 10 -o /dev/null -w \"$@\"; }
connects() { [ \"$(ask '%{time_connect}' \"$1\")\" != 0.000000 ]; }
port() {
\tif connects \"http://$site:$1/\"; then warn \"port $1 ($2) can be reached\"; else echo \"fine: port $1 ($2) cannot be reached\"; fi
}
if ! connects \"https://$site/\" && ! connects \"http://$site:5222/\"; then
\techo \"not known: $site cannot be reached from here\"; exit 2
fi
";
const JITSI: &str = "port 8888 Jicofo
port 8080 bridge
code=$(ask '%{http_code}' -X POST -H 'Content-Type: application/json' -d '{}' \"https://$site/conference-request/v1\")
case $code in
403|404|405|410) echo 'fine: /conference-request/v1 is closed' ;;
000) echo 'not known: the web server does not answer'; [ $status = 1 ] || status=2 ;;
*) warn 'the web server passes /conference-request/v1 on to Jicofo' ;;
esac
";
const BOSH: &str = "code=$(ask '%{http_code}' \"https://$site/http-bind\")
case $code in
200) echo 'fine: /http-bind answers' ;;
*) warn \"/http-bind does not answer ($code): nobody can join by BOSH\" ;;
esac
";
