namespace KeyService.Hsm;

/// <summary>What the module and the token say about themselves.</summary>
/// <param name="ModulePath">The file that was loaded.</param>
/// <param name="LibraryManufacturer">Manufacturer of the library (CK_INFO).</param>
/// <param name="LibraryDescription">Description of the library (CK_INFO).</param>
/// <param name="LibraryVersion">Version of the library, "major.minor".</param>
/// <param name="CryptokiVersion">Version of the PKCS#11 interface, "major.minor".</param>
/// <param name="TokenLabel">Label of the token.</param>
/// <param name="TokenManufacturer">Manufacturer of the token.</param>
/// <param name="TokenModel">Model of the token.</param>
/// <param name="TokenSerial">Serial number of the token.</param>
/// <param name="FirmwareVersion">Firmware version of the token, "major.minor".</param>
/// <param name="HardwareVersion">Hardware version of the token, "major.minor".</param>
public sealed record HsmModuleInfo(
    string ModulePath,
    string LibraryManufacturer,
    string LibraryDescription,
    string LibraryVersion,
    string CryptokiVersion,
    string TokenLabel,
    string TokenManufacturer,
    string TokenModel,
    string TokenSerial,
    string FirmwareVersion,
    string HardwareVersion);
