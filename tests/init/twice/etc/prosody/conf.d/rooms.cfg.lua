Component "conference.example.org" "muc"
	name = "Rooms"
	modules_enabled = {
		"muc_mam";
	}
