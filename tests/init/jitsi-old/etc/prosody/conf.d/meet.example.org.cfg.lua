plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }
muc_mapper_domain_base = "meet.example.org"

VirtualHost "meet.example.org"
    authentication = "token"
    app_id = "app"
    app_secret = "secret"
    modules_enabled = { "bosh", "pubsub", "ping", "speakerstats" }
    speakerstats_component = "speakerstats.meet.example.org"

Component "conference.meet.example.org" "muc"
    storage = "memory"
    --modules_enabled = { "token_verification" }
    admins = { "focus@auth.meet.example.org" }

VirtualHost "auth.meet.example.org"
    authentication = "internal_plain"

VirtualHost "recorder.meet.example.org"
    authentication = "internal_plain"

Component "internal.auth.meet.example.org" "muc"
    storage = "memory"
    modules_enabled = { "ping"; }
    admins = { "focus@auth.meet.example.org", "jvb@auth.meet.example.org" }

Component "speakerstats.meet.example.org" "speakerstats_component"
    muc_component = "conference.meet.example.org"
