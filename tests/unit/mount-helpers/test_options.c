/* The command line of mount.raftkv: what mount(8) hands over is accepted, everything else is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "mount-helpers/options.h"

static int parse(struct mount_options *options, struct status *status, char **arguments)
{
	int count = 0;

	while (arguments[count])
		count++;
	*status = (struct status){0};
	return mount_options_parse(options, count, arguments, status);
}

#define PARSE(...) parse(&options, &status, (char *[]){(char[]){"mount.raftkv"}, __VA_ARGS__, NULL})
#define WORD(text)                                                                                           \
	(char[])                                                                                             \
	{                                                                                                    \
		text                                                                                         \
	}

static void mount8_passes_source_and_directory_first(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(
		PARSE(WORD("a:7420,b:7420:/vol/sub"), WORD("/mnt"), WORD("-o"), WORD("rw,noatime,nosuid")),
		0);
	assert_string_equal(options.source, "a:7420,b:7420:/vol/sub");
	assert_string_equal(options.directory, "/mnt");
	assert_int_equal(options.flags, MS_NOATIME | MS_NOSUID);
	mount_options_close(&options);
}

static void a_later_option_wins(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"), WORD("ro,nodev,sync"), WORD("-o"),
				 WORD("rw,dev,async")),
		0);
	assert_int_equal(options.flags, 0);
	assert_false(options.flags & MS_SYNCHRONOUS);
	mount_options_close(&options);
}

static void options_of_fstab_are_dropped(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"),
				 WORD("_netdev,nofail,user,x-systemd.automount,X-mount.mkdir,comment=a "
				      "b,noauto,defaults,,")),
		0);
	assert_int_equal(options.flags, 0);
	mount_options_close(&options);
}

static void an_unknown_option_is_named_unless_sloppy(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"), WORD("ro,frobnicate=7")), -EINVAL);
	assert_non_null(strstr(status.text, "'frobnicate=7'"));
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-s"), WORD("-o"), WORD("ro,frobnicate=7")), 0);
	assert_int_equal(options.flags, MS_RDONLY);
	mount_options_close(&options);
}

static void numbers_have_units_and_bounds(void **state)
{
	static const char *const bad[] = {"mount_timeout=", "mount_timeout=-1", "mount_timeout=1h",
		"mount_timeout=86401", "mount_timeout= 3", "log=relative", "config=relative"};
	struct mount_options options;
	struct status status;
	char word[64];

	(void)state;
	assert_int_equal(
		PARSE(WORD("/s"), WORD("/m"), WORD("-o"), WORD("mount_timeout=5,log=/var/log/x")), 0);
	assert_int_equal(options.mount_timeout_s, 5);
	assert_string_equal(options.log, "/var/log/x");
	mount_options_close(&options);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		strcpy(word, bad[i]);
		assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"), word), -EINVAL);
		assert_non_null(strstr(status.text, bad[i]));
		mount_options_close(&options);
	}
}

/* One list of settings, in the order given, over the file's; short names are the same settings. */
static void settings_come_from_options(void **state)
{
	static const char *const bad[] = {"lanes=5", "cache_size=1T", "cache_size=9223372036854775807K",
		"cache_size=4KK", "kv.colour=red", "colours.red=1", "raft.lease=maybe",
		"raft.heartbeat_ticks=15"};
	struct mount_options options;
	struct status status;
	struct config config;
	char word[64];

	(void)state;
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"),
				 WORD("kv.cache_bytes=1M,cache_size=64M,lanes=2,metrics=unix:/m"), WORD("-o"),
				 WORD("lanes=3,raft.lease=false")),
		0);
	assert_int_equal(mount_options_configure(&options, &config, &status), 0);
	assert_int_equal(config.store.kv_cache_size, 64 << 20);
	assert_int_equal(config.lanes, 3);
	assert_string_equal(config.metrics, "unix:/m");
	assert_true(config.store.lease_is_off);
	config_close(&config);
	mount_options_close(&options);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		strcpy(word, bad[i]);
		assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"), word), 0);
		assert_int_equal(mount_options_configure(&options, &config, &status), -EINVAL);
		assert_true(strlen(status.text) > 10);
		config_close(&config);
		mount_options_close(&options);
	}
}

static void a_quoted_context_keeps_its_commas(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o"),
				 WORD("context=\"u:r:t:s0:c1,c2\",ro,rootcontext=x")),
		0);
	assert_string_equal(options.kernel, "context=\"u:r:t:s0:c1,c2\",rootcontext=x");
	assert_int_equal(options.flags, MS_RDONLY);
	mount_options_close(&options);
}

static void missing_and_surplus_arguments_are_errors(void **state)
{
	struct mount_options options;
	struct status status;

	(void)state;
	assert_int_equal(PARSE(WORD("/s")), -EINVAL);
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("/n")), -EINVAL);
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-o")), -EINVAL);
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("-x")), -EINVAL);
	assert_non_null(strstr(status.text, "'-x'"));
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("--help")), 0);
	assert_true(options.show_help);
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("--version")), 0);
	assert_true(options.show_version);
	mount_options_close(&options);
	assert_int_equal(PARSE(WORD("/s"), WORD("/m"), WORD("--nonsense")), -EINVAL);
	assert_non_null(strstr(status.text, "'--nonsense'"));
	mount_options_close(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount8_passes_source_and_directory_first),
		cmocka_unit_test(a_later_option_wins),
		cmocka_unit_test(options_of_fstab_are_dropped),
		cmocka_unit_test(an_unknown_option_is_named_unless_sloppy),
		cmocka_unit_test(numbers_have_units_and_bounds),
		cmocka_unit_test(settings_come_from_options),
		cmocka_unit_test(a_quoted_context_keeps_its_commas),
		cmocka_unit_test(missing_and_surplus_arguments_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
