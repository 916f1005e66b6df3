/* The tests of env_conform.c that have files of their own. */
#ifndef RAFTKV_TESTS_CONFORM_ENV_CONFORM_PARTS_H
#define RAFTKV_TESTS_CONFORM_ENV_CONFORM_PARTS_H

/* env_conform_mail.c */
void env_conform_post_once(void **state);
void env_conform_handed_in_twice(void **state);

/* env_conform_files.c */
void env_conform_file_bytes(void **state);
void env_conform_file_flags(void **state);
void env_conform_file_cached(void **state);
void env_conform_file_space(void **state);
void env_conform_file_direct(void **state);
void env_conform_file_requests(void **state);
void env_conform_file_request_without_loop(void **state);
void env_conform_directories(void **state);

/* env_conform_net.c */
void env_conform_net_echo(void **state);
void env_conform_net_writes_before_connected(void **state);
void env_conform_net_refused(void **state);
void env_conform_net_pause(void **state);
void env_conform_net_peer_ends(void **state);
void env_conform_net_close_cancels(void **state);
void env_conform_net_addresses(void **state);

#endif
