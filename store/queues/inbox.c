#include "store/queues/inbox.h"

#include <stddef.h>

void inbox_init(struct inbox *inbox, struct env_loop *loop, inbox_cb received)
{
	inbox->loop = loop;
	inbox->received = received;
	atomic_init(&inbox->newest, NULL);
}

struct inbox_item *inbox_take(struct inbox *inbox)
{
	struct inbox_item *item = atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acq_rel);
	struct inbox_item *list = NULL;

	while (item) {
		struct inbox_item *next = item->next;

		item->next = list;
		list = item;
		item = next;
	}
	return list;
}

static void on_mail(struct env_mail *mail)
{
	struct inbox *inbox = (struct inbox *)mail; /* the first member */

	inbox->received(inbox, inbox_take(inbox));
}

/* The mail is free whenever the list is empty, because it is delivered before the list is taken. So the thread that
 * finds the list empty needs acquire, and the loop that empties it release. */
void inbox_push(struct inbox *inbox, struct inbox_item *item)
{
	struct inbox_item *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

	do {
		item->next = newest;
	} while (!atomic_compare_exchange_weak_explicit(
		&inbox->newest, &newest, item, memory_order_acq_rel, memory_order_relaxed));
	if (!newest)
		env_post(inbox->loop, &inbox->mail, on_mail);
}
