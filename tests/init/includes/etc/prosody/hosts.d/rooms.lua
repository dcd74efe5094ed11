Component "rooms.example.org" "muc" -- the rooms
	name = "Rooms"
	restrict_room_creation = "local"
