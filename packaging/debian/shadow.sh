# Names what an installation by other means has left, which is used instead of this package's files.
shadowed() {
	name=$1; shift
	for place; do
		if [ -e "$place" ] || [ -L "$place" ]; then
			echo "$name: $place is used instead of this package's: remove it (make uninstall)" >&2
		fi
	done
}
