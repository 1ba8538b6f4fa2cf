namespace KeyService.Hsm.Mechanisms;

/// <summary>The published vectors that a module must reproduce before it is used.</summary>
internal static class KnownAnswers
{
    /// <summary>RFC 3394 section 4.6: 256 bits of key data under a 256-bit key.</summary>
    internal static ReadOnlySpan<byte> KeyWrapKey => Hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");

    internal static ReadOnlySpan<byte> KeyWrapData => Hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");

    internal static ReadOnlySpan<byte> KeyWrapResult => Hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");

    /// <summary>Test case 16 of the GCM submission: AES-256, 96-bit IV, 60 bytes of plaintext, 20 of associated data.</summary>
    internal static ReadOnlySpan<byte> GcmKey => Hex("FEFFE9928665731C6D6A8F9467308308FEFFE9928665731C6D6A8F9467308308");

    internal static ReadOnlySpan<byte> GcmIv => Hex("CAFEBABEFACEDBADDECAF888");

    internal static ReadOnlySpan<byte> GcmAssociatedData => Hex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2");

    internal static ReadOnlySpan<byte> GcmPlaintext => Hex(
        "D9313225F88406E5A55909C5AFF5269A86A7A9531534F7DA2E4C303D8A318A721C3C0C95956809532FCF0E2449A6B525B16AEDF5AA0DE657BA637B39");

    /// <summary>Ciphertext, then tag.</summary>
    internal static ReadOnlySpan<byte> GcmResult => Hex(
        "522DC1F099567D07F47F37A32A84427D643A8CDCBFE5C0C97598A2BD2555D1AA8CB08E48590DBB3DA7B08B1056828838C5F61E6393BA7A0ABCC9F662"
        + "76FC6ECE0F4E1768CDDF8853BB2D551B");

    /// <summary>RFC 4231 test case 6: a key of 131 bytes. Shorter ones of that RFC are below what SoftHSM takes.</summary>
    internal static ReadOnlySpan<byte> HmacKey => Enumerable.Repeat((byte)0xaa, 131).ToArray();

    internal static ReadOnlySpan<byte> HmacData => "Test Using Larger Than Block-Size Key - Hash Key First"u8;

    internal static ReadOnlySpan<byte> HmacResult => Hex("60E431591EE0B67F0D8A26AACBF5B77F8E0BC6213728C5140546040F0EE37F54");

    private static byte[] Hex(string digits) => Convert.FromHexString(digits);
}
