# limit: 120
# The man pages are sound; every option that the mount accepts is on its page, and every setting, with its default, on
# the page of settings, and the other way round.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
for page in man/*.[1-8]; do
	# Pages that are not installed here cannot be found, and the index of manuals may be old.
	mandoc -Tlint "$page" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' && bad=1
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

known=$("$BUILD/raftkv" config --json /dev/null | jq -r '.[] | .section + "." + .key + " = " + .value' | sed 's/ $//')
told=$(awk '/^\.Ss \[/ { section = substr($2, 2, index($2, "]") - 2) }
	/^\.It Cm [a-z_]+ No =/ { print section "." $3 " =" ($7 == "" ? "" : " " $7) }' man/raftkv.conf.5)
[ -n "$known" ] && diff <(echo "$known") <(echo "$told") || { echo 'raftkv.conf(5) and the settings differ'; bad=1; }
exit $bad
