/* Shared by the files tests/lib/sim_*.c of the environment. */
#ifndef RAFTKV_TESTS_LIB_SIM_INTERNAL_H
#define RAFTKV_TESTS_LIB_SIM_INTERNAL_H

#include "proto/env_ops.h"
#include "tests/lib/sim_disk.h"
#include "tests/lib/sim_env.h"

struct sim_event;
typedef void (*sim_event_cb)(struct sim_event *event);

/* Something that will happen. Apart from what it is about, whose owner may be gone when its env is dead. */
struct sim_event {
	struct heap_node node; /* key: the time */
	struct sim_event *next; /* of those that wait for their loop */
	struct sim_env *env; /* dropped unrun when it is dead */
	struct sim_loop *loop; /* runs on it; NULL: on a worker or an I/O thread */
	sim_event_cb run;
	void *object;
	uint32_t kind; /* for the trace */
};

struct sim_world {
	uint64_t time;
	uint64_t trace;
	uint64_t random; /* the state of the one source of chance */
	struct heap events;
	struct sim_node *nodes; /* the newest first */
	uint32_t node_count;
	/* The thread that the running callback is on: a loop, or none. */
	struct sim_loop *current;
	bool is_in_callback;
	uint64_t
		post_floor; /* mail of this callback, if not on a loop, arrives no earlier: keeps its order */
};

/* One life of a node's process. */
struct sim_env {
	struct env base;
	struct sim_env *next; /* of the node; the newest first */
	struct sim_node *node;
	bool is_dead;
	struct sim_loop *loops; /* the newest first; also those of the dead */
	uint32_t loop_count;
	struct sim_file *files;
	struct sim_stream *streams;
	struct sim_listener *listeners;
};

struct sim_node {
	struct sim_node *next;
	struct sim_world *world;
	char name[16];
	uint32_t number; /* from 1 */
	struct sim_env *env; /* NULL: down */
	bool is_off; /* power was lost; else a process that is down leaves its machine up */
	struct sim_env *lives;
	struct sim_disk disk;
	struct sim_disk_faults faults;
	uint64_t faults_fired;
	uint64_t operations;
	uint64_t crash_at; /* the number of the operation; UINT64_MAX: never */
	uint64_t paused_until; /* world time */
	/* Its clock: local_base + (time - world_base) × rate. */
	uint64_t world_base;
	uint64_t local_base;
	int32_t drift_ppm;
	int64_t wall_base; /* env_wall - env_now */
	uint64_t cpu; /* env_cpu */
	struct sim_path *paths; /* to other nodes */
	uint32_t uid; /* of its process */
};

enum loop_state { LOOP_NEW, LOOP_RUNNING, LOOP_STOPPING, LOOP_ENDED, LOOP_FREED };

struct sim_loop {
	struct env_loop base;
	struct sim_loop *next;
	struct sim_env *env;
	uint32_t number; /* in its env, from 1 */
	enum loop_state state;
	bool is_busy; /* in a callback */
	uint64_t expected; /* events on their way to it */
	struct env_mail_list early; /* mail that arrived before it ran */
	struct sim_event *waiting; /* what else would have happened, the oldest first */
	struct env_mail stop;
	bool is_stop_posted;
	uint64_t *floors; /* by the posting loop's number: mail of it arrives no earlier */
	uint32_t floor_count;
};

static inline struct sim_env *sim_env_of(struct env *env)
{
	return (struct sim_env *)env;
}

static inline struct sim_loop *sim_loop_of(const struct env_loop *loop)
{
	return (struct sim_loop *)loop;
}

static inline struct sim_world *sim_world_of(struct env *env)
{
	return sim_env_of(env)->node->world;
}

/* sim_env.c */
void *sim_allocate(size_t size); /* zeroed; never NULL */
/* About `usual` ns; now and then much longer. */
uint64_t sim_delay(struct sim_world *world, uint64_t usual);
/* Puts an event `delay` ns ahead. Of a dead env: nothing. */
void sim_schedule(struct sim_env *env, struct sim_loop *loop, uint64_t delay, uint32_t kind, sim_event_cb run,
	void *object);
void sim_trace_mix(struct sim_world *world, uint64_t value);

uint64_t sim_node_local(const struct sim_node *node); /* the node's clock */
uint64_t sim_node_world_time(
	const struct sim_node *node, uint64_t local); /* when its clock will show `local` */

/* sim_ops.c */
extern const struct env_ops sim_env_ops;

/* sim_loop.c */
void sim_loop_expire(struct sim_loop *loop); /* as a callback: its due timers */
/* Of a loop that does not run yet nothing happens but that its mail is kept. `defer` takes the event until it runs. */
bool sim_loop_must_wait(const struct sim_loop *loop, const struct sim_event *event);
void sim_loop_defer(struct sim_loop *loop, struct sim_event *event);
uint64_t sim_loop_due(const struct sim_loop *loop); /* world time of its next timer; UINT64_MAX: none */
void sim_loop_check_end(struct sim_loop *loop); /* after each callback */
void sim_loops_close(struct sim_env *env);
int sim_loop_new(struct env *env, const char *name, struct env_loop **loop);
int sim_loop_start(struct env_loop *loop);
int sim_loop_run(struct env_loop *loop);
void sim_loop_stop(struct env_loop *loop);
void sim_loop_free(struct env_loop *loop);
bool sim_loop_is_current(const struct env_loop *loop);
void sim_post(struct env_loop *loop, struct env_mail *mail);
void sim_work_submit(struct env_work *work);

/* sim_files.c */
struct sim_file;
int sim_file_open(struct env *env, const char *path, int flags, struct env_file **file);
void sim_file_close(struct env_file *file);
int sim_file_size(struct env_file *file, uint64_t *size);
int sim_file_truncate(struct env_file *file, uint64_t size);
int sim_file_allocate(struct env_file *file, uint64_t offset, uint64_t size);
int sim_file_punch(struct env_file *file, uint64_t offset, uint64_t size);
int sim_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int sim_file_read_cached(struct env_file *file, uint64_t offset, void *bytes, size_t size);
int sim_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size);
int sim_file_sync(struct env_file *file);
void sim_file_submit(struct env_file_request *request);
int sim_mkdir(struct env *env, const char *path);
int sim_sync_dir(struct env *env, const char *path);
int sim_rename(struct env *env, const char *from, const char *to);
int sim_unlink(struct env *env, const char *path);
int sim_rmdir(struct env *env, const char *path);
int sim_list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument);
int sim_space(struct env *env, const char *path, struct env_space *space);
/* Just before power is lost: of the writes on their way, some have reached the disk's cache. */
void sim_files_interrupt(struct sim_env *env);
void sim_files_kill(struct sim_env *env); /* the process's files are closed; the objects stay */
void sim_files_close(struct sim_env *env);

/* sim_net.c */
struct sim_stream;
struct sim_listener;
struct sim_path;
int sim_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **listener, struct status *status);
const char *sim_listener_address(const struct env_listener *listener);
void sim_listener_close(struct env_listener *listener);
int sim_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **stream, struct status *status);
int sim_stream_peer(const struct env_stream *stream, uint32_t *uid);
void sim_stream_start(struct env_stream *stream, const struct env_stream_handlers *handlers);
void sim_stream_pause(struct env_stream *stream);
void sim_stream_resume(struct env_stream *stream);
int sim_stream_write(struct env_stream *stream, struct env_stream_write *write);
void sim_stream_close(struct env_stream *stream);
void sim_net_kill(struct sim_env *env, bool is_power_lost); /* its peers learn, or do not */
void sim_net_close(struct sim_env *env);
void sim_net_free_paths(struct sim_node *node);

#endif
