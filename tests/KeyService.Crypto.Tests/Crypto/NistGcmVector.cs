namespace KeyService.Tests.Crypto;

/// <summary>One of NIST's GCM validation vectors (CAVS), as Debian's python3-cryptography-vectors installs them: 96-bit IVs and 128-bit tags only.</summary>
internal sealed record NistGcmVector(byte[] Key, byte[] Iv, byte[] Aad, byte[] Plaintext, byte[] Ciphertext, byte[] Tag, bool Fails)
{
    private const string Folder = "/usr/lib/python3/dist-packages/cryptography_vectors/ciphers/AES/GCM";

    internal static IEnumerable<NistGcmVector> Read(string file)
    {
        string path = Path.Combine(Folder, file);
        Infrastructure.Require(File.Exists(path), "NIST's GCM vectors (Debian package python3-cryptography-vectors)");
        var values = new Dictionary<string, string>();
        foreach (string line in File.ReadLines(path).Append(""))
        {
            if (line.Length > 0)
            {
                string[] parts = line.Trim('[', ']').Split('=', 2, StringSplitOptions.TrimEntries);
                values[parts[0]] = parts.Length == 2 ? parts[1] : "";
                continue;
            }
            if (values.Remove("Count") && values["IVlen"] == "96" && values["Taglen"] == "128")
            {
                bool fails = values.Remove("FAIL");
                yield return new NistGcmVector(
                    Hex("Key"), Hex("IV"), Hex("AAD"), fails ? [] : Hex("PT"), Hex("CT"), Hex("Tag"), fails);
            }
            values.Remove("FAIL");
        }

        byte[] Hex(string name) => Convert.FromHexString(values[name]);
    }
}
