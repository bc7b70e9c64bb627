#!/bin/sh
# Makes the media that the example serves, with ffmpeg (Debian: apt-get install --no-install-recommends ffmpeg): make.sh FOLDER [SECONDS]
set -eu
folder=${1:?"usage: make.sh FOLDER [SECONDS]"}
seconds=${2:-60}
command -v ffmpeg >/dev/null || {
    echo "ffmpeg is not there. On Debian: sudo apt-get install --no-install-recommends ffmpeg" >&2
    exit 1
}
mkdir -p "$folder"
make() { ffmpeg -hide_banner -loglevel error -nostdin -y "$@"; }

# VP8 and Opus in WebM: every browser with MediaSource takes them. A second's frames stand together, behind one that needs no other.
make -f lavfi -i "testsrc2=size=960x540:rate=25:duration=$seconds" -f lavfi -i "sine=frequency=330:beep_factor=4:duration=$seconds" \
    -c:v libvpx -deadline realtime -cpu-used 8 -b:v 1500k -g 25 -c:a libopus -b:a 64k -f webm -cluster_time_limit 1000 "$folder/video.webm"
# PCM, which needs no decoder that wants all of it: what came can be heard.
make -f lavfi -i "aevalsrc=0.2*sin(2*PI*(220+40*sin(t))*t)|0.2*sin(2*PI*330*t):sample_rate=48000:duration=$seconds" -c:a pcm_s16le "$folder/audio.wav"
# Noise makes it as large as a photograph of that size.
make -f lavfi -i "gradients=size=4000x3000:nb_colors=6:seed=7,format=yuv420p,noise=alls=24:allf=u" -frames:v 1 -q:v 2 "$folder/image.jpg"
