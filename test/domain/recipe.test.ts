import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { completeRecipe, outputsOf, PRESETS, type Recipe } from "../../src/domain/image/recipe.ts";
import { outputSize } from "../../src/domain/image/output-size.ts";

describe("a preset's box", () => {
  const photo = { width: 4000, height: 3000 };
  const sizesOf = (given: Partial<Recipe>, preset: "seed" | "balanced" = "balanced") =>
    outputsOf(completeRecipe(preset, given)).map((output) => {
      const { width, height } = outputSize(output, photo);
      return `${width}x${height}`;
    });

  test("limits what is fitted inside it, and what has no side of its own", () => {
    assert.deepEqual(sizesOf({}), ["2048x1536"]);
    assert.deepEqual(sizesOf({ width: 3000 }), ["2731x2048"]);
    assert.deepEqual(sizesOf({ width: 3000, height: 3000 }), ["3000x2250"]);
    for (const fit of ["cover", "contain", "outside", "fill"] as const) assert.deepEqual(sizesOf({ fit }), ["2048x1536"], fit);
  });

  test("is no side of what is cropped, framed or stretched", () => {
    for (const preset of ["balanced", "seed"] as const) {
      for (const fit of ["cover", "contain", "outside"] as const) {
        assert.deepEqual(sizesOf({ width: 200, fit }, preset), ["200x150"], fit);
        assert.deepEqual(sizesOf({ height: 300, fit }, preset), ["400x300"], fit);
      }
      assert.deepEqual(sizesOf({ width: 200, fit: "fill" }, preset), ["200x3000"]);
    }
  });

  test("is none of an output's either, whichever the recipe's own is", () => {
    const thumb = { name: "thumb", width: 200, fit: "cover" } as const;
    assert.deepEqual(sizesOf({ outputs: [{ name: "large" }, thumb] }), ["2048x1536", "200x150"]);
    assert.deepEqual(sizesOf({ height: 100, outputs: [{ name: "large" }, thumb] }), ["133x100", "200x100"]);
    assert.deepEqual(sizesOf({ fit: "cover", outputs: [{ name: "a", width: 100, height: 100 }, { name: "b" }] }), ["100x100", "2048x1536"]);
  });

  test("stands in the recipe where outputs take it from there, and they are as they were given", () => {
    const outputs = [{ name: "large" }, { name: "thumb", width: 200 }, { name: "square", width: 80, height: 80, fit: "cover" }] as const;
    assert.deepEqual(completeRecipe("balanced", { quality: 70, outputs: [...outputs] }), { ...PRESETS.balanced, quality: 70, outputs });
    assert.deepEqual(completeRecipe("seed", { fit: "cover" }), { ...PRESETS.seed, fit: "cover" });
  });
});
