/* The segment engine on real files keeps what every raft log engine promises. */
#include "store/log/raft_log_engine.h"

#include "tests/conform/log_engine_files.h"

int main(void)
{
	return log_engine_files_run("log_engine: segments", raft_log_engine_open);
}
