namespace KeyService.Crypto.Shares;

/// <summary>
/// Shamir's scheme over <see cref="GaloisField"/>, a polynomial for each byte (SLIP-39, "Shamir's secret sharing"). Where the points stand is public,
/// what stands there is secret.
/// </summary>
internal static class ShamirPolynomials
{
    /// <summary>What the polynomials of least degree through the points have at <paramref name="x"/>.</summary>
    /// <param name="xs">Where the points stand, each once.</param>
    /// <param name="ys">What stands there, as many bytes each as <paramref name="result"/>, one behind another.</param>
    public static void Interpolate(byte x, ReadOnlySpan<byte> xs, ReadOnlySpan<byte> ys, Span<byte> result)
    {
        if (ys.Length != xs.Length * result.Length)
        {
            throw new ArgumentException("Each point has as many bytes as the result.", nameof(ys));
        }

        result.Clear();
        for (var i = 0; i < xs.Length; i++)
        {
            byte numerator = 1, denominator = 1;
            for (var j = 0; j < xs.Length; j++)
            {
                if (j != i)
                {
                    numerator = GaloisField.Multiply(numerator, (byte)(x ^ xs[j]));
                    denominator = GaloisField.Multiply(denominator, (byte)(xs[i] ^ xs[j]));
                }
            }

            if (denominator == 0)
            {
                throw new ArgumentException("Two points stand at the same place.", nameof(xs));
            }

            var weight = GaloisField.Multiply(numerator, GaloisField.Invert(denominator));
            var y = ys.Slice(i * result.Length, result.Length);
            for (var k = 0; k < result.Length; k++)
            {
                result[k] ^= GaloisField.Multiply(weight, y[k]);
            }
        }
    }
}
