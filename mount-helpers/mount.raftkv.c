/* mount.raftkv: the mount helper and FUSE daemon. See mount.raftkv(8). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/clustered.h"
#include "fs/stats/control.h"
#include "fs/embedded.h"
#include "fs/fuse/channel.h"
#include "fs/vfs/front.h"
#include "fs/stats/metrics.h"
#include "mount-helpers/daemon.h"
#include "mount-helpers/ending.h"
#include "mount-helpers/mountinfo.h"
#include "mount-helpers/options.h"
#include "mount-helpers/source.h"
#include "mount-helpers/state_dir.h"
#include "proto/trim.h"
#include "proto/version.h"

#define NAME		"mount.raftkv"
#define DAY_S		86400u
#define READ_AHEAD_KIB	1024u
#define CLOSE_WAIT_S	10
#define CLUSTER_CACHE_S 1 /* the kernel's timeout for names and attributes, which other mounts may change */
#define REPORT_MS	1500 /* the part of mount_timeout that is left for the daemon's report */

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* One mount, from the command line to unmounting. */
struct mount_service {
	struct mount_options options;
	struct config config;
	struct logger logger;
	char stores[PATH_MAX]; /* the addresses of a cluster's stores; empty: the store is embedded */
	char store[PATH_MAX]; /* the embedded store's directory; for a cluster that of state_dir.h */
	char mount_point[PATH_MAX];
	struct daemon daemon;
	struct embedded *embedded; /* NULL for a cluster */
	struct clustered *clustered; /* NULL for an embedded store */
	struct channel channel;
	struct front *front;
	uint64_t notice; /* the cluster's question that the front is answering */
	struct control *control; /* NULL: it could not be started, and the mount runs without it */
	struct metrics *metrics; /* NULL: not asked for */
	struct trim *trim;
	bool is_mounted;
	dev_t device; /* of the mount */
	int ended; /* eventfd: the lanes have ended */
	struct ending ending;
	int log_fd; /* of the daemon; earlier messages go to the terminal */
};

static const char help[] =
	"usage: mount.raftkv SOURCE DIRECTORY [-sfnvN] [-o OPTION[,OPTION…]]\n"
	"\n"
	"SOURCE is an absolute directory (an embedded store, created if absent), or the addresses of\n"
	"stores of a cluster: host:port[,host:port…] or unix:/path.\n"
	"\n"
	"  -o foreground      stay in the foreground        -o debug        log every request\n"
	"  -o sync            every write durable at once   -o log=FILE     default: SOURCE/log\n"
	"  -o cache_size=N    bytes of cache (K, M, G)      -o lanes=N      threads\n"
	"  -o metrics=WHERE   serve them: unix:/path or host:port\n"
	"  -o read=leader|follower|nearest   whom reads ask on a cluster\n"
	"  -o timeo=SECONDS   requests of a cluster fail after so long; default: they wait\n"
	"  -o config=FILE     default: " CONFIG_PATH "\n"
	"  -o SECTION.KEY=VALUE   any setting of raftkv.conf(5)\n"
	"  -f                 check everything, mount nothing\n"
	"\n"
	"examples: mount.raftkv /var/lib/raftkv /mnt && umount /mnt\n"
	"          mount.raftkv store1:7420,store2:7420,store3:7420 /mnt\n"
	"See mount.raftkv(8).\n";

static bool is_cluster(const struct mount_service *service)
{
	return service->stores[0] != '\0';
}

static struct env *env_of(const struct mount_service *service)
{
	return is_cluster(service) ? clustered_env(service->clustered) : embedded_env(service->embedded);
}

static struct client *client_of(const struct mount_service *service)
{
	return is_cluster(service) ? clustered_client(service->clustered)
				   : embedded_client(service->embedded);
}

static struct env_loop **loops_of(const struct mount_service *service, uint32_t *count)
{
	return is_cluster(service) ? clustered_loops(service->clustered, count)
				   : embedded_loops(service->embedded, count);
}

/* ---- Small steps ---- */

/* Linux leaves dirsync as it was at the mount, and says nothing. */
static bool changes_dirsync(const struct mount_options *options)
{
	struct mountinfo info;

	return options->flags & MS_DIRSYNC && mountinfo_find(options->directory, &info) &&
	       !(info.flags & MS_DIRSYNC);
}

static int remount(const struct mount_options *options, struct status *status)
{
	if (changes_dirsync(options))
		return status_set(status, -EINVAL,
			"dirsync cannot be set by a remount: unmount %s, and mount it with dirsync",
			options->directory);
	if (mount(NULL, options->directory, NULL, options->flags | MS_REMOUNT, NULL) < 0)
		return status_set(
			status, -errno, "cannot remount %s: %s", options->directory, strerror(errno));
	return 0;
}

static int open_log(struct mount_service *service, struct status *status)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/log", service->store);
	if (service->options.log)
		snprintf(path, sizeof path, "%s", service->options.log);
	service->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (service->log_fd < 0)
		return status_set(status, -errno, "cannot open the log %s: %s", path, strerror(errno));
	return 0;
}

/* The owner of a new filesystem's root: under sudo the user who called it. */
static uint32_t id_behind_sudo(const char *variable, uint32_t otherwise)
{
	const char *text = getenv(variable);
	char *end;
	unsigned long id;

	if (geteuid() != 0 || !text || *text < '0' || *text > '9')
		return otherwise;
	id = strtoul(text, &end, 10);
	return *end == '\0' && id < UINT32_MAX ? (uint32_t)id : otherwise;
}

static void on_store_failed(void *argument, int status, const char *sentence)
{
	const struct mount_service *service = argument;

	log_error(&service->logger, "msg=\"the store can not go on\" reason=\"%s\" status=\"%s\"", sentence,
		status_name(status));
	_exit(MOUNT_SYSTEM);
}

static void on_front_ended(void *argument)
{
	const struct mount_service *service = argument;
	const uint64_t one = 1;

	if (write(service->ended, &one, sizeof one) != sizeof one)
		abort();
}

/* ---- The daemon ---- */

/* umount returns before the daemon has closed the store: waits for that. */
static int open_embedded(struct mount_service *service, struct status *status)
{
	const struct embedded_options options = {
		.path = service->store,
		.logger = &service->logger,
		.loop_count = service->config.lanes,
		.store = &service->config.store,
		.owner_uid = id_behind_sudo("SUDO_UID", geteuid()),
		.owner_gid = id_behind_sudo("SUDO_GID", getegid()),
		.failed = on_store_failed,
		.failed_argument = service,
	};
	int code = -EBUSY;

	for (int tenths = 0; tenths < CLOSE_WAIT_S * 10; tenths++) {
		code = embedded_open(&options, &service->embedded, status);
		if (code != -EWOULDBLOCK && code != -EBUSY)
			break;
		usleep(100000);
	}
	return code;
}

/* The daemon's log and socket are in the directory of state_dir.h. A second daemon for the same mount point shares
 * it; its LOCK is not waited for. */
static int open_clustered(struct mount_service *service, struct status *status)
{
	uint32_t limit_ms = service->options.mount_timeout_s * 1000;
	const struct clustered_options options = {
		.stores = service->stores,
		.logger = &service->logger,
		.loop_count = service->config.lanes,
		.reads = (enum remote_reads)service->config.reads,
		.timeo_ms = service->config.timeo_s * 1000,
		.wait_ms = limit_ms > 2 * REPORT_MS ? limit_ms - REPORT_MS : limit_ms / 2,
		.mount_point = service->mount_point,
	};
	int code = state_dir_make(service->store, status);

	if (code < 0)
		return code;
	state_dir_lock(service->store);
	service->logger.level = LOG_ERROR; /* the status's sentence names the cause */
	return clustered_open(&options, &service->clustered, status);
}

/* From the flags in the kernel's form, where strictatime is neither noatime nor relatime. */
static struct front_modes modes_of(unsigned long flags)
{
	return (struct front_modes){.no_atime = flags & (MS_NOATIME | MS_RDONLY),
		.no_diratime = flags & MS_NODIRATIME,
		.strict_atime = !(flags & (MS_NOATIME | MS_RELATIME)),
		.synchronous = flags & MS_SYNCHRONOUS,
		.durable_names = flags & MS_DIRSYNC};
}

/* Adds the default as the kernel does: relatime. */
static unsigned long flags_given(unsigned long flags)
{
	return flags & (MS_NOATIME | MS_STRICTATIME) ? flags : flags | MS_RELATIME;
}

static int clone_channel(void *argument, int *fd)
{
	return channel_clone(argument, fd);
}

static bool is_known(void *argument, uint64_t ino)
{
	return channel_is_known(argument, ino);
}

static void drop_attributes(void *argument, uint64_t ino)
{
	channel_drop_attributes(argument, ino);
}

static void drop_pages(void *argument, uint64_t ino)
{
	channel_drop_pages(argument, ino);
}

static void on_session_lost(void *argument)
{
	front_on_session_lost(argument);
}

/* On the first loop, like its callers. */
static void on_kept(void *argument, bool are_kept)
{
	struct mount_service *service = argument;

	clustered_answer(service->clustered, service->notice, are_kept);
}

static void on_asked(void *argument, uint64_t notice, struct slice inodes)
{
	struct mount_service *service = argument;

	service->notice = notice;
	front_ask(service->front, inodes, on_kept, service);
}

static int open_front(struct mount_service *service, struct status *status)
{
	const struct channel_options channel = {
		.source = service->options.source,
		.directory = service->mount_point,
		.flags = service->options.flags,
		.allow_other = (geteuid() == 0 || service->options.allow_other) && !service->options.only_me,
		.subtype = !service->options.no_subtype,
		.extra = service->options.kernel,
	};
	struct front_options front = {
		.env = env_of(service),
		.logger = &service->logger,
		.client = client_of(service),
		.open_descriptor = clone_channel,
		.is_known = is_known,
		.drop_attributes = drop_attributes,
		.drop_pages = drop_pages,
		.descriptor_argument = &service->channel,
		.cache_timeout_s = is_cluster(service) ? CLUSTER_CACHE_S : DAY_S,
		.sole_client = !is_cluster(service),
		.modes = modes_of(flags_given(service->options.flags)),
		.debug = service->options.debug,
		.ended = on_front_ended,
		.argument = service,
	};
	int code = channel_open(&service->channel, &channel, status);

	if (code < 0)
		return code;
	service->is_mounted = true;
	front.loops = loops_of(service, &front.loop_count);
	code = front_new(&front, &service->front, status);
	if (code < 0)
		return code;
	if (is_cluster(service)) {
		clustered_set_lost(service->clustered, on_session_lost, service->front);
		clustered_set_asked(service->clustered, on_asked, service);
	}
	front_start(service->front);
	return 0;
}

/* Starts the control socket, which raftkv(1) asks. */
static void open_control(struct mount_service *service, const struct stats_source *source)
{
	uint32_t count;
	const struct control_options options = {
		.loop = loops_of(service, &count)[0],
		.source = *source,
	};
	struct status status = {0};

	if (control_start(&options, &service->control, &status) < 0)
		log_warn(&service->logger, "msg=\"no control socket\" reason=\"%s\"", status.text);
}

static int show_stats(struct mount_service *service, struct status *status)
{
	struct env *env = env_of(service);
	const struct stats_source source = {
		.env = env,
		.raftkv = client_raftkv(client_of(service)),
		.remote = is_cluster(service) ? clustered_remote(service->clustered) : NULL,
		.front = service->front,
		.config = &service->config,
		.path = service->store,
		.source = is_cluster(service) ? service->options.source : NULL,
		.mount_point = service->mount_point,
		.started = env_now(env),
	};

	open_control(service, &source);
	if (!service->config.metrics)
		return 0;
	return metrics_start(&source, service->config.metrics, &service->metrics, status);
}

/* The mount is ready once its root answers. */
static int look_at_root(struct mount_service *service, struct status *status)
{
	struct stat root;

	if (stat(service->mount_point, &root) < 0)
		return status_set(
			status, -errno, "the root of the new mount does not answer: %s", strerror(errno));
	channel_set_read_ahead(&service->channel, READ_AHEAD_KIB);
	service->device = root.st_dev;
	return 0;
}

static int start(struct mount_service *service, struct status *status)
{
	int code;

	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		log_info(&service->logger,
			"msg=\"PR_SET_IO_FLUSHER is not allowed: memory reclaim may wait for us\"");
	service->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->ended < 0)
		return status_set(status, -errno, "cannot make an eventfd: %s", strerror(errno));
	code = is_cluster(service) ? open_clustered(service, status) : open_embedded(service, status);
	if (code == 0 && !service->options.foreground)
		code = open_log(service, status);
	if (code == 0)
		code = open_front(service, status);
	if (code == 0)
		code = look_at_root(service, status);
	if (code == 0)
		code = show_stats(service, status);
	if (code == 0)
		code = trim_start(&service->trim, status);
	return status_complete(status, code, "the mount cannot start: %s", status_name(code));
}

/* A remount changes the flags in the kernel only: reads them from there. */
static void follow_flags(const struct mount_service *service)
{
	struct mountinfo info;

	if (mountinfo_find_device(service->device, &info))
		front_set_modes(service->front, modes_of(info.flags));
}

/* The kernel has closed the connection of a cluster's mount. */
static void begin_end(struct mount_service *service)
{
	service->ending = (struct ending){.env = env_of(service),
		.remote = clustered_remote(service->clustered),
		.front = service->front,
		.logger = &service->logger};
	ending_begin(&service->ending);
}

/* Ends the process without waiting for the requests that are under way. */
static void give_up(struct mount_service *service)
{
	ending_say(&service->ending);
	metrics_stop(service->metrics);
	control_stop(service->control);
	_exit(MOUNT_SYSTEM);
}

/* Runs until the mount has ended; a signal unmounts it. */
static void serve(struct mount_service *service, int signals)
{
	struct pollfd wait[4] = {{.fd = service->ended, .events = POLLIN}, {.fd = signals, .events = POLLIN},
		{.fd = mountinfo_open(), .events = POLLPRI},
		{.fd = is_cluster(service) ? service->channel.fd : -1}};
	struct signalfd_siginfo signal_;
	uint64_t count = 0;
	int timeout_ms = -1;

	while (read(service->ended, &count, sizeof count) != sizeof count) {
		if (poll(wait, 4, timeout_ms) < 0 && errno != EINTR)
			break;
		if (wait[3].fd >= 0 && wait[3].revents & POLLERR) {
			wait[3].fd = -1;
			timeout_ms = ENDING_LOOK_MS;
			begin_end(service);
		}
		if (ending_is_hopeless(&service->ending))
			give_up(service);
		if (wait[2].revents & POLLPRI)
			follow_flags(service);
		if (wait[1].revents & POLLIN && read(signals, &signal_, sizeof signal_) == sizeof signal_) {
			log_info(&service->logger, "msg=\"unmounting\" signal=%u", signal_.ssi_signo);
			channel_unmount(&service->channel);
		}
	}
	if (wait[2].fd >= 0)
		close(wait[2].fd);
}

static void stop(struct mount_service *service)
{
	trim_stop(service->trim);
	metrics_stop(service->metrics);
	control_stop(service->control);
	/* The store is closed before the front: until then it may hold data in a lane's buffers. */
	if (service->embedded)
		embedded_close(service->embedded);
	if (service->clustered)
		clustered_close(service->clustered);
	front_free(service->front);
	channel_close(&service->channel);
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run_daemon(struct mount_service *service)
{
	struct status status = {0};
	int signals = block_signals();
	int code = start(service, &status);

	if (code < 0) {
		daemon_report(&service->daemon, NAME, MOUNT_FAILURE, &status);
		if (service->is_mounted)
			channel_unmount(&service->channel);
		if (service->front)
			serve(service, signals);
		stop(service);
		return MOUNT_FAILURE;
	}
	daemon_report(&service->daemon, NAME, MOUNT_OK, NULL);
	if (!service->options.foreground)
		daemon_detach(service->log_fd);
	service->logger.level = service->options.debug ? LOG_DEBUG : service->config.log_level;
	log_info(&service->logger, "msg=\"mounted\" source=\"%s\" directory=\"%s\"", service->options.source,
		service->mount_point);
	serve(service, signals);
	stop(service);
	log_info(&service->logger, "msg=\"unmounted\"");
	return MOUNT_OK;
}

static int fail(const struct status *status, int exit_code)
{
	fprintf(stderr, "%s: %s\n", NAME, status_sentence(status));
	return exit_code;
}

static int prepare(struct mount_service *service, struct status *status)
{
	const struct mount_options *options = &service->options;
	int code;

	if (!is_cluster(service))
		return source_prepare(
			options->source, options->directory, service->store, service->mount_point, status);
	code = source_prepare_mount_point(options->directory, service->mount_point, status);
	if (code < 0)
		return code;
	code = state_dir_find(service->mount_point, service->store);
	return code < 0 ? status_set(status, code, "there is no place for the log: say -o log=FILE") : 0;
}

static int mount_it(struct mount_service *service)
{
	struct status status = {0};
	int exit_code;

	if (mount_options_configure(&service->options, &service->config, &status) < 0)
		return fail(&status, MOUNT_USAGE);
	if (source_is_cluster(service->options.source) &&
		source_parse_cluster(service->options.source, service->stores, &status) < 0)
		return fail(&status, MOUNT_USAGE);
	if (service->options.no_subtype && source_has_shell_characters(service->options.source)) {
		status_set(&status, -EINVAL,
			"%s: with nosubtype a remount hands the source to a shell: its name must not hold "
			"blanks or any of %s",
			service->options.source, SOURCE_SHELL_CHARACTERS);
		return fail(&status, MOUNT_USAGE);
	}
	if (prepare(service, &status) < 0)
		return fail(&status, MOUNT_FAILURE);
	if (service->options.fake)
		return MOUNT_OK;
	if (service->options.foreground)
		return run_daemon(service);
	if (!daemon_begin(&service->daemon, NAME, service->options.mount_timeout_s, &exit_code))
		return exit_code;
	return run_daemon(service);
}

int main(int count, char **arguments)
{
	struct mount_service service = {.daemon = {.report = -1}, .channel = {.fd = -1}, .log_fd = -1};
	struct status status = {0};
	int exit_code;

	service.logger = logger_fd(STDERR_FILENO, LOG_WARN);
	if (mount_options_parse(&service.options, count, arguments, &status) < 0) {
		exit_code = fail(&status, MOUNT_USAGE);
	} else if (service.options.show_help || service.options.show_version) {
		fputs(service.options.show_help ? help : "raftkv " RAFTKV_VERSION "\n", stdout);
		exit_code = MOUNT_OK;
	} else if (service.options.remount) {
		exit_code = remount(&service.options, &status) < 0 ? fail(&status, MOUNT_FAILURE) : MOUNT_OK;
	} else {
		exit_code = mount_it(&service);
		config_close(&service.config);
	}
	mount_options_close(&service.options);
	return exit_code;
}
