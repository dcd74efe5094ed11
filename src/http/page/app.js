const match = /^#login=([0-9a-f]+)$/.exec(location.hash);
if (match) {
	sessionStorage.setItem("token", match[1]);
	history.replaceState(null, "", "/");
}
const state = document.getElementById("state");
const rooms = document.getElementById("rooms");

async function load() {
	const token = sessionStorage.getItem("token");
	if (!token) {
		state.textContent = "Run `vestibule page`, and open the address that it prints.";
		return;
	}
	const response = await fetch("/api/v1/rooms", { headers: { Authorization: `Bearer ${token}` } });
	const reply = await response.json();
	if (reply.failed) {
		state.textContent = reply.failed.reason;
		return;
	}
	state.textContent = `${reply.done.length} rooms`;
	rooms.replaceChildren(...reply.done.map((room) => {
		const row = document.createElement("tr");
		for (const value of [room.room, room.state, room.occupants, room.waiting]) {
			row.insertCell().textContent = value;
		}
		return row;
	}));
}

load().catch(() => { state.textContent = "The component does not answer."; });
