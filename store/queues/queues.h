/*
 * queues.h: queues of requests that wait for their entry to be applied (proposals.h), for a read index
 * (read_index_queue.h), or for another loop (inbox.h). This is the face of queues/ for the rooms after it.
 */
#ifndef RAFTKV_STORE_QUEUES_QUEUES_H
#define RAFTKV_STORE_QUEUES_QUEUES_H

#include "store/queues/inbox.h"
#include "store/queues/proposals.h"
#include "store/queues/read_index_queue.h"

#endif
