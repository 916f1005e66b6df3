# limit: 30
# The man pages are sound, and every option that the mount accepts is on its page.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
for page in man/*.[1-8]; do
	mandoc -Tlint -W warning "$page" || bad=1
done
page=$(mandoc -Tutf8 man/mount.raftkv.8 | col -bx)
for option in $(sed -n 's/^\t{"\([^"]*\)", [A-Z_]*, .*/\1/p' mount-helpers/options.c); do
	case $page in
	*"$option"*) ;;
	*)
		echo "option '$option' is not in mount.raftkv(8)"
		bad=1
		;;
	esac
done
[ "$(sed -n 's/^\t{"\([^"]*\)", [A-Z_]*, .*/\1/p' mount-helpers/options.c | wc -l)" -gt 40 ] || { echo "the table of options was not found"; bad=1; }
exit $bad
