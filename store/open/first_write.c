#include "store/open/first_write.h"

#include <errno.h>

#include "proto/container.h"

struct first_write_run {
	struct env_loop *loop;
	uint32_t pending;
	int status;
};

static void first_write_on_written(struct log_write *write, int status)
{
	struct first_write *first = container_of(write, struct first_write, write);
	struct first_write_run *run = first->run;

	if (status < 0)
		run->status = status;
	if (--run->pending == 0)
		env_loop_stop(run->loop);
}

int first_writes_run(struct engines *engines, struct first_write *writes, uint32_t count)
{
	struct first_write_run run = {.pending = count};
	int status = env_loop_new(engines->env, "first-writes", &run.loop);

	if (status < 0)
		return status;
	for (uint32_t i = 0; i < count; i++) {
		writes[i].run = &run;
		writes[i].write.loop = run.loop;
		writes[i].write.done = first_write_on_written;
		engines->log->ops->write(engines->log, &writes[i].write);
	}
	status = env_loop_run(run.loop);
	env_loop_free(run.loop);
	if (status == 0 && run.pending > 0)
		status = -ECANCELED;
	return status < 0 ? status : run.status;
}
