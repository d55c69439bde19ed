// Reads control vectors with llama.cpp's own loader, which its Python package builds but does not expose.
#include <string>
#include <vector>

struct common_control_vector_load_info { float strength; std::string fname; };
struct common_control_vector_data { int n_embd; std::vector<float> data; };
common_control_vector_data common_control_vector_load(const std::vector<common_control_vector_load_info> & load_infos);

static common_control_vector_data loaded;

// Returns the width, or -1 where llama.cpp refuses the file; `data` and `size` are the rows from block 1 on.
extern "C" int load(const char * path, float strength, const float ** data, size_t * size) {
    loaded = common_control_vector_load({{strength, path}});
    *data = loaded.data.data();
    *size = loaded.data.size();
    return loaded.n_embd;
}
