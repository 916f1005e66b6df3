#include "fs/server/join.h"

#include <errno.h>

#include "fs/regions/reporter.h"
#include "proto/container.h"
#include "proto/units.h"

struct joining {
	struct env_loop *loop;
	struct reporter *reporter;
	struct env_timer timer;
	uint64_t cluster, store;
	struct status why;
	bool is_over;
};

static void join_on_stopped(void *argument)
{
	env_loop_stop(((struct joining *)argument)->loop);
}

static void end(struct joining *joining)
{
	if (joining->is_over)
		return;
	joining->is_over = true;
	env_timer_stop(&joining->timer);
	reporter_stop(joining->reporter, join_on_stopped, joining);
}

static void join_on_entered(void *argument, uint64_t store, uint64_t cluster)
{
	struct joining *joining = argument;

	joining->store = store;
	joining->cluster = cluster;
	end(joining);
}

static void on_refused(void *argument, const struct status *why)
{
	struct joining *joining = argument;

	joining->why = *why;
	end(joining);
}

static void on_timeout(struct env_timer *timer)
{
	struct joining *joining = container_of(timer, struct joining, timer);
	const char *trouble = reporter_trouble(joining->reporter);

	status_set(&joining->why, -ETIMEDOUT, "the cluster cannot be joined: %s",
		*trouble != '\0' ? trouble : "nobody answers");
	end(joining);
}

static int join_run(struct joining *joining, const struct reporter_options *options, struct env *env)
{
	joining->reporter = reporter_new(options);
	if (!joining->reporter)
		return status_set(&joining->why, -ENOMEM, "out of memory");
	reporter_start(joining->reporter);
	env_timer_start(
		&joining->timer, joining->loop, env_now(env) + JOIN_PATIENCE_MS * NS_PER_MS, on_timeout);
	env_loop_run(joining->loop);
	reporter_free(joining->reporter);
	return joining->why.code;
}

int join_cluster(struct env *env, const struct config *config, const struct logger *logger, uint64_t *cluster,
	uint64_t *store, struct status *status)
{
	const struct link_self self = {.env = env};
	struct joining joining = {0};
	struct store_list seeds;
	struct reporter_options options = {.self = &self,
		.logger = logger,
		.address = config->server.advertise ? config->server.advertise : config->server.listen,
		.seeds = &seeds,
		.entered = join_on_entered,
		.refused = on_refused,
		.argument = &joining};
	int code = store_list_parse(&seeds, config->server.join, status);

	if (code < 0)
		return code;
	code = env_loop_new(env, "join", &joining.loop);
	if (code < 0) {
		status_set(&joining.why, code, "cannot make an event loop: %s", status_name(code));
	} else {
		options.loop = joining.loop;
		code = join_run(&joining, &options, env);
		env_loop_free(joining.loop);
	}
	store_list_close(&seeds);
	*cluster = joining.cluster;
	*store = joining.store;
	if (code < 0 && status)
		*status = joining.why;
	return code;
}
