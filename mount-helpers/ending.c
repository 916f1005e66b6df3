#include "mount-helpers/ending.h"

#include <inttypes.h>

#include "proto/units.h"

#define FILES_SAID 16u /* lost files with a line of their own; the others are only counted */

static uint64_t answers(const struct ending *ending)
{
	struct remote_stats stats;

	remote_read_stats(ending->remote, &stats);
	return stats.calls + stats.reads;
}

static void wait_anew(struct ending *ending)
{
	ending->answers = answers(ending);
	ending->deadline = env_now(ending->env) + ENDING_PATIENCE_S * NS_PER_S;
}

void ending_begin(struct ending *ending)
{
	wait_anew(ending);
}

bool ending_is_hopeless(struct ending *ending)
{
	if (ending->deadline == 0)
		return false;
	if (answers(ending) != ending->answers)
		wait_anew(ending);
	return env_now(ending->env) >= ending->deadline;
}

struct loss {
	const struct logger *logger;
	uint64_t files, size;
};

static void say_file(void *argument, uint64_t ino, uint64_t size)
{
	struct loss *loss = argument;

	if (loss->files++ < FILES_SAID)
		log_error(loss->logger, "msg=\"data was not written out\" inode=%" PRIu64 " bytes=%" PRIu64,
			ino, size);
	loss->size += size;
}

void ending_say(const struct ending *ending)
{
	struct loss loss = {.logger = ending->logger};

	front_each_unwritten(ending->front, say_file, &loss);
	if (loss.files == 0)
		log_warn(ending->logger,
			"msg=\"unmounted without a word to the cluster, which has not answered for %u s; it "
			"forgets this mount by itself\"",
			ENDING_PATIENCE_S);
	else
		log_error(ending->logger,
			"msg=\"unmounted, and the cluster has not answered for %u s: what was written here "
			"last "
			"and not synced is lost\" files=%" PRIu64 " bytes=%" PRIu64,
			ENDING_PATIENCE_S, loss.files, loss.size);
}
