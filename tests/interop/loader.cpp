// llama.cpp's own reader of control vectors. Its Python package ships the libraries and their headers but not this function, so it
// is cut out of the package's sources and compiled here as it stands.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "ggml.h"
#include "gguf.h"

#define COM_ERR(...) fprintf(stderr, __VA_ARGS__)
#define COM_WRN(...) fprintf(stderr, __VA_ARGS__)

struct common_control_vector_load_info { float strength; std::string fname; };
struct common_control_vector_data { int n_embd; std::vector<float> data; };

#include "cut.inc"

static common_control_vector_data loaded;

// Returns the width, or -1 where llama.cpp refuses the file; `data` and `size` are the rows from block 1 on.
extern "C" int load(const char * path, float strength, const float ** data, size_t * size) {
    loaded = common_control_vector_load({{strength, path}});
    *data = loaded.data.data();
    *size = loaded.data.size();
    return loaded.n_embd;
}
