"""Part codecs: motion of a body part to latents or codes and back."""
