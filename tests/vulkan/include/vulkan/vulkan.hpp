// Debian 12 has Vulkan headers older than 1.3.272. llama.cpp needs three names of newer ones, to ask a validation layer
// that is not there for its opinion; nothing reads them.
#pragma once
#include_next <vulkan/vulkan.hpp>
#if VK_HEADER_VERSION < 272
#include <vector>
namespace vk {
enum class LayerSettingTypeEXT { eBool32 = 0 };
struct LayerSettingEXT {
    const char *layer, *name;
    LayerSettingTypeEXT type;
    uint32_t n_values;
    const void *values;
};
struct LayerSettingsCreateInfoEXT {
    VkStructureType sType = static_cast<VkStructureType>(1000496000);
    const void *pNext = nullptr;
    uint32_t n_settings;
    const LayerSettingEXT *settings;
    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT> &all)
        : n_settings(static_cast<uint32_t>(all.size())), settings(all.data()) {}
};
}  // namespace vk
#endif
