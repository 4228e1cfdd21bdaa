"""An engine without a model: libllama's memory told strictly, and logits by which any wrong state shows."""
