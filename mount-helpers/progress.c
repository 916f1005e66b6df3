#include "mount-helpers/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define WIDTH	  40
#define PERIOD_MS 100

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_start(struct progress_bar *progress, bool is_quiet)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*progress = (struct progress_bar){
		.is_shown = !is_quiet && isatty(STDERR_FILENO),
		.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
	};
}

bool progress_tell(struct progress_bar *progress, const char *what, double done)
{
	static const char marks[] = "########################################";
	struct signalfd_siginfo signal_;
	int filled = done >= 1 ? WIDTH : (int)(done * WIDTH);

	_Static_assert(sizeof marks - 1 == WIDTH, "a mark for each place");
	if (progress->signals >= 0 &&
		read(progress->signals, &signal_, sizeof signal_) == (ssize_t)sizeof signal_)
		progress->is_cancelled = true;
	if (progress->is_shown && now_ms() >= progress->next_ms) {
		fprintf(stderr, "\r%-10s [%.*s%*s] %3d%%", what, filled, marks, WIDTH - filled, "",
			(int)(done * 100));
		progress->next_ms = now_ms() + PERIOD_MS;
	}
	return !progress->is_cancelled;
}

void progress_clear(struct progress_bar *progress)
{
	if (progress->is_shown)
		fprintf(stderr, "\r%*s\r", WIDTH + 20, "");
}

void progress_stop(struct progress_bar *progress)
{
	progress_clear(progress);
	if (progress->signals >= 0)
		close(progress->signals);
	progress->signals = -1;
}
