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
        "#!/bin/sh\n# Run this on a machine that is not the server. It only asks; nothing is changed.\nsite={site}\n\
         open() {{ if nc -z -w 5 \"$site\" \"$1\"; then echo \"WARNING: port $1 ($2) can be reached\"; else echo \"fine: port $1 ($2)\"; fi; }}\n\
         code() {{ curl -s -m 10 -o /dev/null -w '%{{http_code}}' \"$@\"; }}\n\
         open 5347 components\nopen 5280 'HTTP without encryption'\n"
    );
    if is_jitsi {
        text.push_str(
            "open 8888 Jicofo\nopen 8080 bridge\n\
             case \"$(code -X POST -H 'Content-Type: application/json' -d '{}' \"https://$site/conference-request/v1\")\" in\n\
             403|404|405|410) echo 'fine: /conference-request/v1 is closed' ;;\n\
             000) echo 'not known: the web server does not answer' ;;\n\
             *) echo 'WARNING: the web server passes /conference-request/v1 on to Jicofo' ;;\n\
             esac\n",
        );
    }
    if has_anywhere(hosts, "bosh") {
        text.push_str(
            "case \"$(code \"https://$site/http-bind\")\" in\n\
             200) echo 'fine: /http-bind answers' ;;\n\
             *) echo 'WARNING: /http-bind does not answer: nobody can join by BOSH' ;;\n\
             esac\n",
        );
    }
    Some(text)
}
