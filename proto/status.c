#include "proto/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const domain_names[] = {
	[STATUS_FIRST - STATUS_COMPACTED] = "log compacted",
	[STATUS_FIRST - STATUS_UNAVAILABLE] = "log entry unavailable",
	[STATUS_FIRST - STATUS_SNAPSHOT_UNAVAILABLE] = "snapshot temporarily unavailable",
	[STATUS_FIRST - STATUS_SNAPSHOT_OUT_OF_DATE] = "snapshot out of date",
	[STATUS_FIRST - STATUS_PROPOSAL_DROPPED] = "proposal dropped",
	[STATUS_FIRST - STATUS_NOT_LEADER] = "not the leader",
	[STATUS_FIRST - STATUS_NOT_READY] = "nothing committed in this term yet",
	[STATUS_FIRST - STATUS_STEP_LOCAL] = "local message from outside",
	[STATUS_FIRST - STATUS_STEP_UNKNOWN_PEER] = "response from an unknown peer",
	[STATUS_FIRST - STATUS_MALFORMED] = "malformed",
	[STATUS_FIRST - STATUS_LIMIT] = "limit reached",
	[STATUS_FIRST - STATUS_CONF_CHANGE_INVALID] = "invalid membership change",
	[STATUS_FIRST - STATUS_STALE_COMMAND] = "stale command",
	[STATUS_FIRST - STATUS_EPOCH_NOT_MATCH] = "region epoch does not match",
	[STATUS_FIRST - STATUS_REGION_NOT_FOUND] = "region not found",
	[STATUS_FIRST - STATUS_KEY_NOT_IN_REGION] = "key not in region",
	[STATUS_FIRST - STATUS_WOULD_BLOCK] = "would block",
	[STATUS_FIRST - STATUS_CORRUPT] = "corrupt",
	[STATUS_FIRST - STATUS_STOPPING] = "stopping",
	[STATUS_FIRST - STATUS_NOT_FOUND] = "not found",
	[STATUS_FIRST - STATUS_SESSION_UNKNOWN] = "session unknown",
	[STATUS_FIRST - STATUS_UNSUPPORTED] = "not supported: the program that was asked is older",
	[STATUS_FIRST - STATUS_INCOMPLETE] = "needs rows of other regions, or waits for operations there",
	[STATUS_FIRST - STATUS_INTENTS] = "has intents",
};

static void fill(struct status *status, int code, const char *format, va_list arguments)
{
	status->code = code;
	vsnprintf(status->text, sizeof status->text, format, arguments);
}

int status_set(struct status *status, int code, const char *format, ...)
{
	va_list arguments;

	if (!status)
		return code;
	va_start(arguments, format);
	fill(status, code, format, arguments);
	va_end(arguments);
	return code;
}

int status_complete(struct status *status, int code, const char *format, ...)
{
	va_list arguments;

	if (!status || code == 0 || (status->code == code && status->text[0] != '\0'))
		return code;
	va_start(arguments, format);
	fill(status, code, format, arguments);
	va_end(arguments);
	return code;
}

const char *status_sentence(const struct status *status)
{
	return status->text[0] != '\0' ? status->text : "no reason was given: the log may have one";
}

const char *status_name(int code)
{
	if (code < STATUS_FIRST && code > STATUS_LAST && domain_names[STATUS_FIRST - code])
		return domain_names[STATUS_FIRST - code];
	return code == 0 ? "ok" : strerror(-code);
}

bool status_is_transient(int code)
{
	switch (code) {
	case STATUS_NOT_LEADER: /* another replica leads, or will after an election */
	case STATUS_NOT_READY: /* the leader is new: its first entry is on its way */
	case STATUS_PROPOSAL_DROPPED: /* nothing was logged: the leadership was on its way to another, or too much was */
	case STATUS_STALE_COMMAND: /* the leadership ended: was it done? By its slot, a repetition is done once */
	case STATUS_EPOCH_NOT_MATCH: /* the region was split or merged: the key is looked up anew */
	case STATUS_REGION_NOT_FOUND: /* its replica is elsewhere, or not there yet */
	case STATUS_LIMIT: /* a queue is full, and is worked off */
	case STATUS_WOULD_BLOCK: /* rows are on their way into memory */
	case STATUS_STOPPING: /* another store answers, or this one after its start */
		return true;
	default:
		return false;
	}
}
