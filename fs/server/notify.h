/*
 * notify.h: tells who started this process how far it is: sd_notify(3), for systemd or whoever speaks that.
 *
 * Why not libsystemd: the protocol is one datagram to a Unix socket, described in sd_notify(3) for those who speak it by
 * themselves; the library brings compression and cryptography into a process that needs neither.
 */
#ifndef RAFTKV_FS_SERVER_NOTIFY_H
#define RAFTKV_FS_SERVER_NOTIFY_H

/* `state`: "READY=1", "STOPPING=1" and the like, to the socket that $NOTIFY_SOCKET names. 0, also where it names none;
 * -errno. */
int notify_send(const char *state);

#endif
