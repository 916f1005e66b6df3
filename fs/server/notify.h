/*
 * notify.h: tells the service manager the state of this process: the protocol of sd_notify(3).
 *
 * It does not use libsystemd: the protocol is one datagram to a Unix socket, which sd_notify(3) describes, and the
 * library brings compression and cryptography into a process that needs neither.
 */
#ifndef RAFTKV_FS_SERVER_NOTIFY_H
#define RAFTKV_FS_SERVER_NOTIFY_H

/* Sends `state` ("READY=1", "STOPPING=1" and the like) to the socket that $NOTIFY_SOCKET names. 0, also where it names
 * none; -errno. */
int notify_send(const char *state);

#endif
