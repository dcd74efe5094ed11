-- A server of Jitsi Meet, as its Debian package leaves it in what matters here: hosts, their modules, and comments in
-- lists. Jitsi's own file is tried where it is there.
component_admins_as_room_owners = true
plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }
muc_mapper_domain_base = "meet.example.org";
cross_domain_bosh = false;
unlimited_jids = { "focus@auth.meet.example.org", "jvb@auth.meet.example.org" }

VirtualHost "meet.example.org"
    authentication = "jitsi-anonymous" -- people do not log in
    -- Where the certificate is:
    ssl = {
        key = "/etc/prosody/certs/meet.example.org.key";
        certificate = "/etc/prosody/certs/meet.example.org.crt";
    }
    modules_enabled = {
        "bosh";
        "websocket";
        "ping"; -- Answers pings
        "features_identity";
        "muc_lobby_rooms";
        "muc_breakout_rooms";
    }
    c2s_require_encryption = false
    lobby_muc = "lobby.meet.example.org"
    breakout_rooms_muc = "breakout.meet.example.org"
    main_muc = "conference.meet.example.org"

Component "conference.meet.example.org" "muc"
    restrict_room_creation = true
    storage = "memory"
    modules_enabled = {
        "muc_hide_all";
        "muc_meeting_id";
        "muc_domain_mapper";
        --"token_verification";
        "muc_rate_limit";
        "muc_password_whitelist";
    }
    admins = { "focus@auth.meet.example.org" }
    muc_password_whitelist = { "focus@auth.meet.example.org" }
    muc_room_locking = false
    muc_room_default_public_jids = true

Component "breakout.meet.example.org" "muc"
    storage = "memory"
    modules_enabled = { "muc_hide_all"; "muc_domain_mapper"; }
    admins = { "focus@auth.meet.example.org" }

-- Bridges and recorders meet here.
Component "internal.auth.meet.example.org" "muc"
    storage = "memory"
    modules_enabled = { "muc_hide_all"; "ping"; }
    admins = { "focus@auth.meet.example.org", "jvb@auth.meet.example.org" }

VirtualHost "auth.meet.example.org"
    modules_enabled = { "limits_exception"; }
    authentication = "internal_hashed"

VirtualHost "recorder.meet.example.org"
    authentication = "internal_hashed"

Component "focus.meet.example.org" "client_proxy"
    target_address = "focus@auth.meet.example.org"

Component "lobby.meet.example.org" "muc"
    storage = "memory"
    muc_room_locking = false
    muc_room_default_public_jids = true
    modules_enabled = { "muc_hide_all"; "muc_rate_limit"; }

Component "metadata.meet.example.org" "room_metadata_component"
    muc_component = "conference.meet.example.org"
    breakout_rooms_component = "breakout.meet.example.org"
