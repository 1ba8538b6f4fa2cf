namespace KeyService.Crypto.Shares;

/// <summary>
/// GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, the field of AES (FIPS 197, 4.2), as SLIP-39 uses it. No table and no branch depends on a value: shares are
/// secret, and tables leak through the cache.
/// </summary>
internal static class GaloisField
{
    private const int Polynomial = 0x11B;

    public static byte Multiply(byte left, byte right)
    {
        int product = 0, shifted = left, rest = right;
        for (var bit = 0; bit < 8; bit++)
        {
            product ^= shifted & -(rest & 1);
            rest >>= 1;
            shifted <<= 1;
            shifted ^= Polynomial & -(shifted >> 8);
        }

        return (byte)product;
    }

    /// <summary>The inverse; of 0 it is 0.</summary>
    public static byte Invert(byte value)
    {
        // value^254: every element but 0 has an order that divides 255.
        byte power = value, inverse = 1;
        for (var bit = 1; bit < 8; bit++)
        {
            power = Multiply(power, power);
            inverse = Multiply(inverse, power);
        }

        return inverse;
    }
}
