// A picture for who has none at hand: circles, each time others.

export async function drawn(): Promise<File> {
  const canvas = new OffscreenCanvas(960, 540);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const hue = Math.random() * 360;
  context.fillStyle = `hsl(${hue} 45% 92%)`;
  context.fillRect(0, 0, 960, 540);
  for (let circle = 0; circle < 40; circle++) {
    context.fillStyle = `hsl(${hue + Math.random() * 90} 60% 45% / 0.35)`;
    context.beginPath();
    context.arc(Math.random() * 960, Math.random() * 540, 10 + Math.random() * 110, 0, 2 * Math.PI);
    context.fill();
  }
  return new File([await canvas.convertToBlob()], "circles.png", { type: "image/png" });
}
