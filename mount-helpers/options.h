/*
 * options.h: the command line of mount.raftkv, as mount(8) calls it.
 *
 *     mount.raftkv SOURCE DIRECTORY [-sfnvN] [-o OPTION[,OPTION…]] [-t TYPE]
 *
 * An option is a flag of the mount (ro, nosuid, noatime …), an option of mount.raftkv(8), a setting of raftkv.conf(5)
 * (SECTION.KEY=VALUE, or a short name), an option for the kernel (context=…), or an option of mount(8) or fstab(5)
 * (_netdev, x-…), which is dropped. Any other option is an error that names it; with -s it is ignored.
 */
#ifndef RAFTKV_MOUNT_HELPERS_OPTIONS_H
#define RAFTKV_MOUNT_HELPERS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/config.h"
#include "proto/status.h"

#define MOUNT_SETTING_COUNT_MAX 64

/* Exit codes of mount(8), which become mount's own. */
enum mount_exit {
	MOUNT_OK = 0,
	MOUNT_USAGE = 1,
	MOUNT_SYSTEM = 2,
	MOUNT_BUG = 4,
	MOUNT_USER = 8, /* interrupted */
	MOUNT_FAILURE = 32,
};

/* A setting from the command line. */
struct mount_setting {
	const char *section; /* NULL: `text` is SECTION.KEY=VALUE */
	const char *key; /* NULL, if `section` is */
	const char *text; /* the whole option */
};

struct mount_options {
	const char *source;
	const char *directory;
	unsigned long flags; /* MS_…; MS_SYNCHRONOUS: every write is durable when it returns */
	bool fake; /* -f: check everything, mount nothing */
	bool sloppy; /* -s */
	bool verbose; /* -v */
	bool show_help;
	bool show_version;

	bool remount;
	bool foreground;
	bool debug;
	bool no_subtype;
	bool allow_other; /* given as an option; root has it by default */
	bool only_me; /* noallow_other */
	uint32_t mount_timeout_s;
	const char *log; /* a file; NULL: SOURCE/log */
	const char *config; /* a file; NULL: CONFIG_PATH, if there is one */
	struct mount_setting settings[MOUNT_SETTING_COUNT_MAX]; /* the last one wins */
	uint32_t setting_count;
	char *kernel; /* options for the kernel (context=…), comma-separated, or NULL; freed by mount_options_close */
	char *text; /* a copy of all option lists; freed by mount_options_close */
};

/* Parses; strings borrow from `arguments` or belong to `options` (mount_options_close, also after an error).
 * 0, or -EINVAL with a sentence. */
int mount_options_parse(struct mount_options *options, int count, char **arguments, struct status *status);
void mount_options_close(struct mount_options *options);
/* Initializes `config` (config_close, also after an error), and fills it from the file, then from the settings. 0, or a
 * negative status with a sentence that names the file and line, or the option. */
int mount_options_configure(
	const struct mount_options *options, struct config *config, struct status *status);

/* Calls `each` with every option that the parser accepts, for the test that compares them with the man page. */
void mount_options_each(void (*each)(void *argument, const char *name), void *argument);

#endif
