#include "fs/vfs/write_order.h"

#include "proto/container.h"
#include "proto/plant.h"

static struct request *request_of(struct env_mail *mail)
{
	return container_of(mail, struct request, step.order.reader.mail);
}

static void go_on(struct request *request);

static void write_order_woken(struct env_mail *mail)
{
	go_on(request_of(mail));
}

/* On the other lane's loop: it has handled what it had read. */
static void write_order_there(struct env_mail *mail)
{
	struct request *request = request_of(mail);

	env_post(lane_loop(request->lane), mail, write_order_woken);
}

/* Asks the next lane that has requests in hand. False: there is none. */
static bool ask_lane(struct request *request)
{
	const struct front *front = request->front;

	while (request->step.order.lane < front->lane_count) {
		struct lane *lane = front->lanes[request->step.order.lane++];

		if (lane == request->lane || !lane_is_serving(lane))
			continue;
		env_post(lane_loop(lane), &request->step.order.reader.mail, write_order_there);
		return true;
	}
	return false;
}

static void go_on(struct request *request)
{
	if (!ask_lane(request) && node_wait_writings(request->front->nodes, &request->step.order.reader))
		request->then(request);
}

void write_order_wait(struct request *request, uint64_t ino, uint64_t offset, uint64_t size, request_cb then)
{
	struct node_reader *reader = &request->step.order.reader;

	if (planted("fs:reads_overtake_writes")) {
		then(request);
		return;
	}
	request->then = then;
	request->step.order.lane = 0;
	*reader = (struct node_reader){.loop = lane_loop(request->lane),
		.wake = write_order_woken,
		.ino = ino,
		.offset = offset,
		.end = offset + size};
	go_on(request);
}
