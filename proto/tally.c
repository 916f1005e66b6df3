#include "proto/tally.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/container.h"
#include "proto/time_units.h"

static void write_line(struct tally *tally)
{
	logger_at(tally->logger, tally->level, "msg=\"%s\" count=%" PRIu32 " reason=\"%s\"", tally->what,
		tally->count, tally->reason);
	tally->count = 0;
}

static void begin_period(struct tally *tally);

static void on_timer(struct env_timer *timer)
{
	struct tally *tally = container_of(timer, struct tally, timer);

	if (tally->count > 0) {
		write_line(tally);
		begin_period(tally);
	}
}

static void begin_period(struct tally *tally)
{
	uint64_t now = env_now(env_loop_env(tally->loop));

	env_timer_start(&tally->timer, tally->loop, now + TALLY_PERIOD_MS * NS_PER_MS, on_timer);
}

void tally_note(struct tally *tally, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(tally->reason, sizeof tally->reason, format, arguments);
	va_end(arguments);
	tally->count++;
	if (env_timer_is_running(&tally->timer))
		return;
	write_line(tally);
	begin_period(tally);
}

void tally_stop(struct tally *tally)
{
	env_timer_stop(&tally->timer);
	if (tally->count > 0)
		write_line(tally);
}
