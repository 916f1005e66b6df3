/*
 * queues.h: where requests wait: for their entry to be applied (proposals.h), for a read index (read_index_queue.h), and
 * for another loop (inbox.h): the face of queues/ for the rooms after it.
 */
#ifndef RAFTKV_STORE_QUEUES_QUEUES_H
#define RAFTKV_STORE_QUEUES_QUEUES_H

#include "store/queues/inbox.h"
#include "store/queues/proposals.h"
#include "store/queues/read_index_queue.h"

#endif
