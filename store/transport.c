/* What a transport brings, on its way to the loop of the replica that it is for. */
#include "store/transport.h"

#include <stdlib.h>

#include "store/peer.h"
#include "store/store.h"

#define STEPS_MAX 4096 /* messages on their way; more are dropped, as a network would */

static struct peer *peer_for(struct raftkv *raftkv, uint64_t region)
{
	struct route *route = router_find(&raftkv->router, region);

	return route ? route->peer : NULL;
}

/* ---- Messages --------------------------------------------------------------------------------------------------- */

struct step {
	struct env_mail mail;
	struct peer *peer;
	struct peer_envelope envelope;
	struct raft_message message;
};

static void on_step(struct env_mail *mail)
{
	struct step *step = (struct step *)mail; /* the first member */
	struct raftkv *raftkv = step->peer->shard->raftkv;

	atomic_fetch_sub(&raftkv->steps_pending, 1);
	peer_step(step->peer, &step->envelope, &step->message);
	raft_message_close(&step->message);
	free(step);
}

static struct step *step_new(struct raftkv *raftkv, const struct peer_envelope *envelope)
{
	struct peer *peer = peer_for(raftkv, envelope->region);
	struct step *step;

	if (!peer || atomic_load(&raftkv->steps_pending) >= STEPS_MAX)
		return NULL;
	step = malloc(sizeof *step);
	if (step)
		*step = (struct step){.peer = peer, .envelope = *envelope};
	return step;
}

void raftkv_step(struct raftkv *raftkv, const struct peer_envelope *envelope, struct raft_message *message)
{
	struct step *step = step_new(raftkv, envelope);

	if (!step) {
		raft_message_close(message);
		return;
	}
	step->message = *message;
	*message = (struct raft_message){0};
	atomic_fetch_add(&raftkv->steps_pending, 1);
	env_post(step->peer->shard->loop, &step->mail, on_step);
}

/* ---- What became of messages ------------------------------------------------------------------------------------ */

struct report {
	struct env_mail mail;
	struct peer *peer;
	uint64_t to; /* replica */
	bool is_of_snapshot;
	bool has_failed;
};

static void on_report(struct env_mail *mail)
{
	struct report *report = (struct report *)mail; /* the first member */

	if (report->is_of_snapshot)
		peer_report_snapshot(report->peer, report->to, report->has_failed);
	else
		peer_report_unreachable(report->peer, report->to);
	free(report);
}

/* Without memory it is lost: then Raft finds out by itself, later. */
static void post_report(struct raftkv *raftkv, uint64_t region, const struct report *what)
{
	struct peer *peer = peer_for(raftkv, region);
	struct report *report = peer ? malloc(sizeof *report) : NULL;

	if (!report)
		return;
	*report = *what;
	report->peer = peer;
	env_post(peer->shard->loop, &report->mail, on_report);
}

void raftkv_report_unreachable(struct raftkv *raftkv, uint64_t region, uint64_t peer)
{
	post_report(raftkv, region, &(struct report){.to = peer});
}

void raftkv_report_snapshot(struct raftkv *raftkv, uint64_t region, uint64_t peer, bool failed)
{
	post_report(
		raftkv, region, &(struct report){.to = peer, .is_of_snapshot = true, .has_failed = failed});
}
