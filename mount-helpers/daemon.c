#include "mount-helpers/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount-helpers/options.h"

struct daemon_report {
	int exit_code;
	char text[sizeof((struct status *)0)->text];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether a whole report came within `timeout_ms`. If not, `*expired` tells a timeout from a child that died. */
static bool read_report(int fd, int64_t timeout_ms, struct daemon_report *report, bool *expired)
{
	int64_t end = now_ms() + timeout_ms;
	size_t have = 0;

	*expired = false;
	while (have < sizeof *report) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		ssize_t size;
		int ready = poll(&wait, 1, left > 0 ? (int)left : 0);

		if (ready == 0) {
			*expired = true;
			return false;
		}
		if (ready < 0)
			continue;
		size = read(fd, (char *)report + have, sizeof *report - have);
		if (size == 0)
			return false;
		if (size > 0)
			have += (size_t)size;
	}
	return true;
}

static int wait_for_child(pid_t child, int fd, const char *name, uint32_t timeout_s)
{
	struct daemon_report report;
	bool expired;

	if (read_report(fd, (int64_t)timeout_s * 1000, &report, &expired)) {
		if (report.text[0] != '\0')
			fprintf(stderr, "%s: %s\n", name, report.text);
		return report.exit_code;
	}
	if (expired) {
		kill(child, SIGKILL);
		fprintf(stderr,
			"%s: the mount was not ready within mount_timeout=%u seconds; its log may say why\n",
			name, timeout_s);
	} else {
		fprintf(stderr, "%s: the daemon died while it was starting; its log may say why\n", name);
	}
	waitpid(child, NULL, 0);
	return MOUNT_FAILURE;
}

bool daemon_begin(struct daemon *daemon, const char *name, uint32_t timeout_s, int *exit_code)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fprintf(stderr, "%s: cannot start a process: %s\n", name, strerror(errno));
		*exit_code = MOUNT_SYSTEM;
		return false;
	}
	if (child > 0) {
		close(ends[1]);
		*exit_code = wait_for_child(child, ends[0], name, timeout_s);
		return false;
	}
	close(ends[0]);
	daemon->report = ends[1];
	setsid();
	if (chdir("/") < 0)
		_exit(MOUNT_SYSTEM);
	return true;
}

void daemon_report(struct daemon *daemon, const char *name, int exit_code, const struct status *status)
{
	struct daemon_report report = {.exit_code = exit_code};

	if (daemon->report < 0) {
		if (status)
			fprintf(stderr, "%s: %s\n", name, status_sentence(status));
		return;
	}
	if (status)
		snprintf(report.text, sizeof report.text, "%s", status_sentence(status));
	if (write(daemon->report, &report, sizeof report) != sizeof report)
		fprintf(stderr, "%s: nobody waits for the mount any more\n", name);
	close(daemon->report);
	daemon->report = -1;
}

void daemon_detach(int log_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	if (log_fd >= 0)
		dup2(log_fd, STDERR_FILENO);
}
