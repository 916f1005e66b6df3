#include "mount-helpers/target.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/eval/eval.h"
#include "mount-helpers/cluster.h"
#include "mount-helpers/mountinfo.h"
#include "mount-helpers/source.h"
#include "mount-helpers/state_dir.h"
#include "proto/env_uv.h"
#include "proto/version.h"
#include "store/open/inspect.h"

#define ANSWER_TIMEOUT_S 10
#define UNIX_PREFIX	 "unix:"
#define CACHE_SIZE	 (16u << 20) /* bytes */
#define LOG_TAIL_SIZE	 65536 /* bytes of the log that are searched for errors */

/* ---- Finding ---- */

/* The mount in which the path lies: the path itself, or the nearest directory above it that is a mount of raftkv. */
static bool find_mount(const char *path, struct mountinfo *mount)
{
	char above[PATH_MAX];
	char *slash;

	snprintf(above, sizeof above, "%s", path);
	while (above[0] != '\0') {
		if (mountinfo_find_raftkv(above, mount))
			return true;
		slash = strrchr(above, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

static bool is_address(const char *path)
{
	struct store_list list;
	/* Before access(2), which would block on a path in a mount that waits for its cluster. */
	if (store_list_parse(&list, path, NULL) < 0)
		return false;
	store_list_close(&list);
	return access(path, F_OK) < 0;
}

int target_open(struct target *target, const char *path, struct status *status)
{
	struct mountinfo mount;

	*target = (struct target){0};
	if (is_address(path)) {
		if (strlen(path) >= sizeof target->cluster)
			return status_set(status, -ENAMETOOLONG, "%.60s…: the list is too long", path);
		snprintf(target->address, sizeof target->address, "%.*s", (int)strcspn(path, ","), path);
		if (strchr(path, ',') || strncmp(path, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
			strcpy(target->cluster, path);
		return 0;
	}
	if (!realpath(path, target->path))
		return status_set(status, -errno, "%s: %s", path, strerror(errno));
	if (find_mount(target->path, &mount)) {
		if (!source_is_cluster(mount.source))
			memcpy(target->store, mount.source, sizeof target->store);
		else if (state_dir_find(mount.point, target->store) < 0)
			return status_set(status, -ENOENT, "%s: nobody knows where its log is", mount.point);
		else
			source_parse_cluster(mount.source, target->cluster, NULL);
		memcpy(target->mount_point, mount.point, sizeof target->mount_point);
	} else {
		memcpy(target->store, target->path, sizeof target->store);
	}
	return 0;
}

void target_close(struct target *target)
{
	for (size_t i = 0; i < target->count; i++) {
		free(target->stats[i].name);
		free(target->stats[i].value);
	}
	free(target->stats);
}

/* ---- Stats ---- */

/* Without memory the stat is left out. */
static void add(struct target *target, const char *name, const char *value)
{
	struct statistic *stats = realloc(target->stats, (target->count + 1) * sizeof *stats);

	if (!stats)
		return;
	target->stats = stats;
	stats[target->count] = (struct statistic){strdup(name), strdup(value)};
	if (stats[target->count].name && stats[target->count].value) {
		target->count++;
		return;
	}
	free(stats[target->count].name);
	free(stats[target->count].value);
}

static void add_number(struct target *target, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	add(target, name, text);
}

const char *target_find(const struct target *target, const char *name)
{
	for (size_t i = 0; i < target->count; i++)
		if (strcmp(target->stats[i].name, name) == 0)
			return target->stats[i].value;
	return NULL;
}

uint64_t target_number(const struct target *target, const char *name)
{
	const char *value = target_find(target, name);

	return value ? strtoull(value, NULL, 10) : 0;
}

/* ---- From the mount ---- */

/* The descriptor, or an error. */
static int connect_within(int domain, const struct sockaddr *address, socklen_t size)
{
	const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (connect(fd, address, size) == 0)
		return fd;
	code = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	close(fd);
	return code;
}

static int connect_to_store(const char *store)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/control", store);

	if (size >= (int)sizeof address.sun_path)
		return -ENAMETOOLONG;
	return connect_within(AF_UNIX, (struct sockaddr *)&address, sizeof address);
}

static int connect_to_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	return connect_within(AF_UNIX, (struct sockaddr *)&address, sizeof address);
}

static int connect_to_address(const char *address)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	struct addrinfo *found;
	char host[256];
	int fd = -EADDRNOTAVAIL;

	if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return connect_to_path(address + strlen(UNIX_PREFIX));
	snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -EHOSTUNREACH;
	for (const struct addrinfo *each = found; each && fd < 0; each = each->ai_next)
		fd = connect_within(each->ai_family, each->ai_addr, each->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

/* All that comes until the other side closes, to be freed; takes the descriptor. A blocking call may be interrupted although
 * no signal came: by the end of what io_uring did for this thread. 0; -ETIMEDOUT: nothing came for ANSWER_TIMEOUT_S. */
static int receive(int fd, char **text)
{
	char bytes[8192];
	size_t size = 0;
	FILE *file = open_memstream(text, &size);
	ssize_t count = file ? 0 : -1;
	int status = file ? 0 : -ENOMEM;

	while (file && ((count = read(fd, bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR)))
		if (count > 0)
			fwrite(bytes, 1, (size_t)count, file);
	if (file && count < 0)
		status = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (file && fclose(file) != 0 && status == 0)
		status = -ENOMEM;
	close(fd);
	return status;
}

/* Asks for the stats; takes the descriptor. `text` is to be freed, `*stats` points into it. -EPROTO: it is not an answer. */
static int ask_over_http(int fd, char **text, char **stats)
{
	static const char request[] = "GET /stats HTTP/1.0\r\n\r\n";
	unsigned code = 0;
	int status = 0;

	*text = NULL;
	if (write(fd, request, strlen(request)) == (ssize_t)strlen(request))
		status = receive(fd, text);
	else
		close(fd);
	if (status < 0)
		return status;
	*stats = *text ? strstr(*text, "\r\n\r\n") : NULL;
	if (!*stats || sscanf(*text, "HTTP/%*u.%*u %u", &code) != 1 || code != 200)
		return -EPROTO;
	*stats += strlen("\r\n\r\n");
	return 0;
}

static int read_lines(struct target *target, FILE *file)
{
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, file) > 0) {
		char *space = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (!space)
			continue;
		*space = '\0';
		add(target, line, space + 1);
	}
	free(line);
	return target->count > 0 ? 0 : -ETIMEDOUT;
}

static int read_text(struct target *target, char *text)
{
	FILE *file = *text != '\0' ? fmemopen(text, strlen(text), "r") : NULL;
	int status = file ? read_lines(target, file) : -EPROTO;

	if (file)
		fclose(file);
	return status;
}

static int load_mounted(struct target *target, struct status *status)
{
	int fd = connect_to_store(target->store);
	char *text = NULL;
	int code = fd < 0 ? fd : receive(fd, &text);

	if (code < 0)
		status_set(&target->failure, code, "the mount on %s does not answer: %s; see the log %s/log",
			target->mount_point, strerror(-code), target->store);
	else if ((code = read_text(target, text)) < 0)
		status_set(&target->failure, code, "the mount on %s says nothing", target->mount_point);
	free(text);
	return code < 0 ? status_set(status, code, "%s", target->failure.text) : 0;
}

static void copy_stat(const struct target *target, const char *name, char text[PATH_MAX])
{
	const char *value = target_find(target, name);

	snprintf(text, PATH_MAX, "%s", value ? value : "");
}

static int load_from_metrics(struct target *target, struct status *status)
{
	int fd = connect_to_address(target->address);
	char *text = NULL, *stats;
	int code = fd < 0 ? fd : ask_over_http(fd, &text, &stats);

	if (code == 0)
		code = read_text(target, stats);
	free(text);
	if (code == -EPROTO)
		return status_set(status, code,
			"%s does not serve the stats of a mount (its option metrics=ADDRESS does)",
			target->address);
	if (code < 0)
		return status_set(status, code, "%s does not answer: %s", target->address, strerror(-code));
	copy_stat(target, "store", target->store);
	copy_stat(target, "mount", target->mount_point);
	return 0;
}

/* ---- From a store that runs ---- */

/* From the store's port. */
static int load_from_store(struct target *target, struct status *status)
{
	struct cluster *cluster;
	char *text = NULL;
	int code = target->is_no_store ? -EPROTO : cluster_open(target->address, &cluster, status);

	if (target->is_no_store)
		return code;
	if (code == 0)
		code = cluster_stats(cluster, target->address, &text, status);
	if (code == 0)
		code = read_text(target, text);
	free(text);
	cluster_close(cluster);
	target->is_no_store = code < 0;
	if (code < 0)
		return code;
	target->is_store = true;
	copy_stat(target, "store", target->store);
	return 0;
}

/* From raftkvd's socket in the store's directory, if there is one. */
static int load_from_directory(struct target *target)
{
	int fd = connect_to_store(target->store);
	char *text = NULL;
	int status = fd < 0 ? fd : receive(fd, &text);

	if (status == 0)
		status = read_text(target, text);
	free(text);
	target->is_store = status == 0;
	return status;
}

/* ---- From an inspection ---- */

static void print_key(char **text, const char *end, const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	*text += snprintf(*text, (size_t)(end - *text), bytes.size == 0 ? " -" : " ");
	for (size_t i = 0; i < bytes.size && *text + 3 < end; i++)
		*text += snprintf(*text, (size_t)(end - *text), "%02x", ((const uint8_t *)bytes.data)[i]);
}

static void add_region(struct target *target, const struct inspect_region *region)
{
	char line[512];
	char *end = line + sizeof line, *at = line;

	at += snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 " %" PRIu64 " 0", region->region.id,
		region->region.epoch.version, region->region.epoch.conf_version);
	print_key(&at, end, region->region.start);
	print_key(&at, end, region->region.end);
	add(target, "region", line);
}

static void add_inspected(struct target *target, const struct inspect *inspect)
{
	struct statvfs disk;

	add(target, "version", RAFTKV_VERSION);
	add(target, "store", target->store);
	add_number(target, "regions", inspect->region_count);
	if (statvfs(target->store, &disk) == 0) {
		add_number(target, "space_total_bytes", disk.f_blocks * disk.f_frsize);
		add_number(target, "space_available_bytes", disk.f_bavail * disk.f_frsize);
	}
	add_number(target, "log_entries_to_replay", inspect->replayed);
	if (inspect->log_status.code < 0)
		add(target, "log_error", inspect->log_status.text);
	if (inspect->blocks_status.code < 0)
		add(target, "blocks_error", inspect->blocks_status.text);
	for (uint32_t i = 0; i < inspect->region_count; i++)
		add_region(target, &inspect->regions[i]);
}

static int load_inspected(struct target *target, struct status *status)
{
	struct logger logger = logger_fd(STDERR_FILENO, LOG_NONE);
	struct env_uv_options env_options = {.worker_threads = 1, .io_threads = 1, .logger = &logger};
	struct inspect_options options = {.logger = &logger,
		.path = target->store,
		.evaluator = eval_evaluator(),
		.cache_size = CACHE_SIZE};
	struct inspect *inspect;
	int code = env_uv_new(&env_options, &options.env, status);

	if (code < 0)
		return code;
	code = inspect_open(&options, &inspect, status);
	if (code == 0) {
		add_inspected(target, inspect);
		inspect_close(inspect);
	}
	env_uv_free(options.env);
	return code;
}

/* From a store's port, or from a mount's metrics. */
static int load_from_address(struct target *target, struct status *status)
{
	struct status denial = {0};
	int code = load_from_store(target, &denial);

	if (code == -EACCES)
		return status_set(status, code, "%s", denial.text);
	return code == 0 ? 0 : load_from_metrics(target, status);
}

int target_load(struct target *target, struct status *status)
{
	if (target->count > 0)
		return 0;
	if (target->failure.code < 0)
		return status_set(status, target->failure.code, "%s", target->failure.text);
	if (target->address[0] != '\0')
		return load_from_address(target, status);
	if (target_is_mounted(target))
		return load_mounted(target, status);
	return load_from_directory(target) == 0 ? 0 : load_inspected(target, status);
}

/* The value of a setting; empty: it is not set. */
static void copy_setting(const struct target *target, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);

	*value = '\0';
	for (size_t i = 0; i < target->count; i++) {
		const char *line = target->stats[i].value;

		if (strcmp(target->stats[i].name, "setting") == 0 && strncmp(line, name, length) == 0 &&
			line[length] == '\t')
			snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\t"),
				line + length + 1);
	}
}

/* A mount may have outlived the stores that it was given. */
static void take_known_stores(struct target *target)
{
	const char *stores;

	if (target->mount_point[0] == '\0' || target_load(target, NULL) < 0)
		return;
	stores = target_find(target, "known_stores");
	if (stores && *stores != '\0')
		snprintf(target->cluster, sizeof target->cluster, "%s", stores);
}

bool target_is_cluster(struct target *target)
{
	struct store_list list;

	if (target->cluster[0] != '\0') {
		take_known_stores(target);
		return true;
	}
	if (target->address[0] != '\0' && load_from_store(target, NULL) == 0) {
		strcpy(target->cluster, target->address);
		return true;
	}
	if (target->address[0] != '\0' || target_is_mounted(target) || load_from_directory(target) < 0)
		return false;
	copy_setting(target, "server.advertise", target->cluster, sizeof target->cluster);
	if (target->cluster[0] == '\0')
		copy_setting(target, "server.listen", target->cluster, sizeof target->cluster);
	if (store_list_parse(&list, target->cluster, NULL) < 0)
		target->cluster[0] = '\0';
	else
		store_list_close(&list);
	return target->cluster[0] != '\0';
}

/* ---- The log ---- */

bool target_last_error(const struct target *target, char *line, size_t size)
{
	char path[PATH_MAX + 8];
	char *text = NULL;
	size_t capacity = 0;
	bool found = false;
	FILE *file;

	if (target->address[0] != '\0')
		return false;
	snprintf(path, sizeof path, "%s/log", target->store);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fseek(file, -LOG_TAIL_SIZE, SEEK_END) < 0)
		rewind(file);
	while (getline(&text, &capacity, file) > 0) {
		text[strcspn(text, "\n")] = '\0';
		if (!strstr(text, " level=error "))
			continue;
		snprintf(line, size, "%s", text);
		found = true;
	}
	free(text);
	fclose(file);
	return found;
}
