/*
 * control.h: the socket `control` in the directory of a mounted store, where a mount says how it is.
 *
 * Whoever connects is sent lines of text, and then the end: first figures, "NAME VALUE", their units in their names;
 * then a line for each region, "region ID VERSION CONF_VERSION TERM START END", keys in hexadecimal or "-" for no bound,
 * term 0 where this store does not lead; then one for each setting, "setting SECTION.KEY<tab>VALUE<tab>ORIGIN" (empty:
 * the default); then one for each stage of a change, "stage NAME TOTAL_NS COUNT…", a count for each
 * bucket of histogram.h, and one for each operation of the kernel, "operation NAME TOTAL_NS COUNT…". Nothing is read, nothing can be changed. At most CONTROL_COUNT_MAX at once.
 *
 * The socket has mode 0600. One loop runs it; start and stop are called from another thread, and wait for that loop.
 */
#ifndef RAFTKV_FS_CONTROL_H
#define RAFTKV_FS_CONTROL_H

#include "fs/config.h"
#include "fs/figures.h"

#define CONTROL_COUNT_MAX 16

struct control;

struct control_options {
	struct env_loop *loop; /* running */
	struct figures_source source; /* what it names outlives the control */
	const struct config *config; /* so does this */
	const char *path; /* of the store; borrowed until control_start returns, as is the next */
	const char *mount_point;
};

/* -ENOMEM, or why it cannot listen, with a sentence: the mount can do without. */
int control_start(const struct control_options *options, struct control **control, struct status *status);
/* May be NULL. Before the store stops. */
void control_stop(struct control *control);

#endif
